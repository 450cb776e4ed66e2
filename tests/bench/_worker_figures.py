"""Figures of a worker process. This module imports next to nothing: what it imports would be counted in each worker."""

import os
from pathlib import Path
from typing import Any

__all__ = ["import_all", "moved_bytes", "peak_bytes"]


def import_all() -> int:
    """Import the package, and what reads Parquet; returns the process's number."""
    import dask.dataframe  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import akkordeon_dask  # noqa: F401

    return os.getpid()


def moved_bytes(dask_worker: Any) -> int:
    """Bytes that Dask sent from this worker to others, and to clients, since it started."""
    return int(dask_worker.transfer_outgoing_bytes_total)


def peak_bytes(pid: int) -> int | None:
    """Bytes that were resident at most; None: the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    kibibytes = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")), None)
    return None if kibibytes is None else int(kibibytes) * 1024
