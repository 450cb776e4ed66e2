"""Numbers in optimizers and schedules: finite, in range, and Python's own."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from akkordeon_dask.errors import SpecError

__all__ = ["check_number", "check_updates"]


def check_number(spec: Any, name: str, rule: str, holds: Callable[[float], bool]) -> None:
    """Refuse `spec.<name>` unless it is a finite number for which `holds` is true.

    A numpy scalar becomes a Python number: `np.float64(0.1) * float32_array` is float64, `0.1 * float32_array` is not.

    Raises
    ------
    SpecError
        `Adam: beta1 is in [0, 1), not 1.5`.
    """
    value = _plain(spec, name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not (math.isfinite(value) and holds(value)):
        raise SpecError(f"{type(spec).__name__}: {name} is {rule}, not {value!r}")


def check_updates(spec: Any, name: str) -> None:
    """Refuse `spec.<name>` unless it is a whole number of updates, at least 1 (SpecError)."""
    value = _plain(spec, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise SpecError(f"{type(spec).__name__}: {name} is a whole number of updates, at least 1, not {value!r}")


def _plain(spec: Any, name: str) -> Any:
    value = getattr(spec, name)
    if isinstance(value, np.generic):
        value = value.item()
        object.__setattr__(spec, name, value)
    return value
