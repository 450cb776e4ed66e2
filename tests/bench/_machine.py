"""The state of the machine while something was measured."""

import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
from dask.system import CPU_COUNT
from threadpoolctl import threadpool_info


def machine() -> dict[str, Any]:
    """Facts that do not change, and those of the moment under `load` and `mhz`."""
    info = _read("/proc/cpuinfo")
    blas = next((pool for pool in threadpool_info() if pool["user_api"] == "blas"), {})
    return {
        "cpu": "".join(re.findall(r"model name\s*: (.*)", info)[:1]) or platform.processor(),
        "cores": CPU_COUNT,
        "mhz": _mhz(info),
        "load": load(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": " ".join(str(blas.get(key)) for key in ("internal_api", "version", "architecture")),
        "OPENBLAS_CORETYPE": os.environ.get("OPENBLAS_CORETYPE"),
    }


def load() -> list[float]:
    """The load averages over 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]


def _mhz(info: str) -> list[int]:
    """Of each core now, where it can be read; a virtual machine often tells its nominal frequency."""
    files = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq"))
    if files:
        return [round(int(_read(str(file))) / 1000) for file in files]
    return [round(float(one)) for one in re.findall(r"cpu MHz\s*: (.*)", info)]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
