"""Times as users write them: `"20s"`, `"1.5min"`, a `timedelta` or a number of seconds."""

import math
import re
from datetime import timedelta
from typing import Any, TypeAlias

import numpy as np

from akkordeon_dask._numbers import check_number
from akkordeon_dask.errors import AkkordeonError, SpecError

__all__ = ["Duration", "parse_duration"]

Duration: TypeAlias = str | float | timedelta
"""A time with its unit, `"20s"`, `"1.5min"`, `"2 minutes"`; a `timedelta`; or a number of seconds."""

_SECONDS = {
    "ns": 1e-9, "nanosecond": 1e-9,
    "us": 1e-6, "microsecond": 1e-6,
    "ms": 1e-3, "millisecond": 1e-3,
    "s": 1.0, "sec": 1.0, "second": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0,
    "h": 3600.0, "hour": 3600.0,
    "d": 86400.0, "day": 86400.0,
    "w": 604800.0, "week": 604800.0,
}  # fmt: skip
_LONGEST = 100 * 365 * 86400.0
"""Seconds. A thread can wait for 292 years: more is an OverflowError."""
_FORM = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def parse_duration(label: str, value: Any, *, error: type[AkkordeonError] = SpecError) -> float:
    """A time as seconds, above zero and up to a century. Dask's own units are all among those known here.

    Parameters
    ----------
    label
        names the value in the error: `"timeout"`.
    value
        a `Duration`, or numpy's `timedelta64`.
    error
        the class of the error.

    Raises
    ------
    SpecError, or `error`
        when it is no time: quotes it.

    Examples
    --------
    >>> parse_duration("every", "1.5min"), parse_duration("every", timedelta(seconds=2)), parse_duration("every", 3)
    (90.0, 2.0, 3.0)
    """
    seconds = _seconds(value)
    if not 0 < seconds <= _LONGEST:
        allowed = "up to a century" if seconds > _LONGEST else "such as '20s', '1.5min' or a number of seconds"
        raise error(f"{label} is a time above zero, {allowed}, not {value!r:.80}")
    return seconds


def _seconds(value: Any) -> float:
    """NaN where it is no time."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, np.timedelta64):
        try:
            return float(value / np.timedelta64(1, "s"))
        except TypeError:  # a month is of no length
            return math.nan
    if not isinstance(value, str):
        try:
            return float(check_number("", value))
        except AkkordeonError:
            return math.nan
    found = _FORM.fullmatch(value)
    unit = found[2].lower() if found else ""
    factor = _SECONDS.get(unit or "s") or _SECONDS.get(unit.removesuffix("s"))
    try:
        return float(found[1]) * factor if found and factor else math.nan
    except ValueError:  # "1.2.3"
        return math.nan
