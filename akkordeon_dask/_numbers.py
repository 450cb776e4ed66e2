"""Checks of numbers that users write: one for whole numbers, one for all others."""

import math
import operator
from numbers import Integral, Real
from typing import Any

import numpy as np

from akkordeon_dask.errors import AkkordeonError, SpecError

__all__ = ["check_int", "check_number"]


def check_int(label: str, value: Any, least: int | None = None, *, error: type[AkkordeonError] = SpecError) -> int:
    """`value` as Python's int: whole numbers of numpy are taken and print as `3`; bool is no number here.

    Parameters
    ----------
    label
        what it is, for the error: `"a sentinel's epochs"`.
    value
        anything with `__index__` but a bool.
    least
        the smallest that is allowed; None: any.
    error
        the class of the error.

    Raises
    ------
    SpecError, or `error`
        when it is no such number: quotes it.

    Examples
    --------
    >>> check_int("seed", np.int64(3), 0)
    3
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        bound = "" if least is None else f" of at least {least}"
        raise error(f"{label} is a whole number{bound}, not {_quoted(value)}")
    return number


def check_number(
    label: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    error: type[AkkordeonError] = SpecError,
) -> float:
    """`value` as Python's int or float: finite, within its bounds; bool is no number here.

    Parameters
    ----------
    label
        what it is, for the error: `"the learning rate"`.
    value
        a real number of Python or numpy.
    least, above, most, below
        bounds: at least, greater than, at most, less than.
    error
        the class of the error.

    Raises
    ------
    SpecError, or `error`
        when it is no such number: quotes it.

    Examples
    --------
    >>> check_number("momentum", np.float32(0.5), least=0, below=1)
    0.5
    """
    number = _plain(value)
    inside = (
        math.isfinite(number)
        and (least is None or number >= least)
        and (above is None or number > above)
        and (most is None or number <= most)
        and (below is None or number < below)
    )
    if not inside:
        limits = {"of at least": least, "above": above, "of at most": most, "below": below}
        bounds = " and ".join(f"{words} {bound:g}" for words, bound in limits.items() if bound is not None)
        raise error(f"{label} is a finite number{bounds and ' ' + bounds}, not {_quoted(value)}")
    return number


def _plain(value: Any) -> float:
    """As an int or a float; NaN where it is neither."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        number = float(value)
        return int(value) if isinstance(value, Integral) else number
    except OverflowError:  # greater than any float
        return math.inf


def _quoted(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
