"""Checks of numbers and flags that users write, as arguments and as fields of values."""

import math
import operator
import sys
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal, TypedDict, Unpack, overload

import numpy as np

from akkordeon_dask.errors import AkkordeonError, SpecError

__all__ = [
    "LARGEST_COUNT",
    "check_count",
    "check_flag",
    "check_int",
    "check_number",
    "keep_flag",
    "keep_int",
    "keep_number",
]

LARGEST_COUNT = sys.maxsize
"""Messages and heartbeats carry whole numbers of 64 bits: a larger one would end its worker."""


_COMPARISONS: dict[str, tuple[Callable[[float, Any], bool], str]] = {
    "least": (operator.ge, "of at least"),
    "above": (operator.gt, "above"),
    "most": (operator.le, "of at most"),
    "below": (operator.lt, "below"),
}


class Bounds(TypedDict, total=False):
    """The bounds of a number."""

    least: float
    above: float
    most: float
    below: float


def check_int(label: str, value: Any, least: int | None = None, *, error: type[AkkordeonError] = SpecError) -> int:
    """`value` as Python's int: whole numbers of numpy are taken and print as `3`; bool is no number here.

    Parameters
    ----------
    label
        names the value in the error: `"a sentinel's epochs"`.
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


def check_count(label: str, value: Any, most: int = LARGEST_COUNT) -> int:
    """`value` as Python's int, from 1 to `most`.

    Raises
    ------
    SpecError
        when it is no such number: quotes it.

    Examples
    --------
    >>> check_count("epochs", np.int64(3))
    3
    """
    number = check_int(label, value, 1)
    if number > most:
        raise SpecError(f"{label} is a whole number of at most {most}, not {_quoted(number)}")
    return number


def check_number(label: str, value: Any, *, error: type[AkkordeonError] = SpecError, **bounds: Unpack[Bounds]) -> float:
    """`value` as Python's int or float: finite, within its bounds; bool is no number here.

    Parameters
    ----------
    label
        names the value in the error: `"the learning rate"`.
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
    limits = [(*_COMPARISONS[name], limit) for name, limit in bounds.items()]
    if not (math.isfinite(number) and all(inside(number, limit) for inside, _, limit in limits)):
        words = " and".join(f" {text} {limit:g}" for _, text, limit in limits)
        raise error(f"{label} is a finite number{words}, not {_quoted(value)}")
    return number


@overload
def check_flag(
    label: str, value: Any, *, optional: Literal[False] = False, error: type[AkkordeonError] = SpecError
) -> bool: ...
@overload
def check_flag(label: str, value: Any, *, optional: Literal[True]) -> bool | None: ...
def check_flag(
    label: str, value: Any, *, optional: bool = False, error: type[AkkordeonError] = SpecError
) -> bool | None:
    """`value` as Python's bool; None stays None where that is `optional`.

    Raises
    ------
    SpecError, or `error`
        when it is something else: quotes it.

    Examples
    --------
    >>> check_flag("bias", np.True_)
    True
    """
    if value is None and optional:
        return None
    if not isinstance(value, bool | np.bool_):
        raise error(f"{label} is {'True, False or None' if optional else 'True or False'}, not {_quoted(value)}")
    return bool(value)


def keep_int(spec: Any, name: str, least: int | None = None) -> int:
    """The field `name` of a frozen value, checked by `check_int` and stored as Python's int.

    Raises
    ------
    SpecError
        `nn.TopK(0): k is a whole number of at least 1, not 0`.
    """
    number = check_int(f"{spec!r}: {name}", getattr(spec, name), least)
    object.__setattr__(spec, name, number)
    return number


def keep_number(spec: Any, name: str, note: str = "", **bounds: Unpack[Bounds]) -> float:
    """The field `name` of a frozen value, checked by `check_number` and stored as Python's number.

    A numpy scalar would print as `np.float64(0.1)`, and `np.float64(0.1) * float32_array` is float64.

    Parameters
    ----------
    note
        stands behind the name in the error: `", where it is no Schedule,"`.

    Raises
    ------
    SpecError
        `nn.Dropout(1): rate is a finite number of at least 0 and below 1, not 1`.
    """
    label = f"{spec!r}: {name}{note}"
    number = check_number(label, getattr(spec, name), **bounds)
    object.__setattr__(spec, name, number)
    return number


def keep_flag(spec: Any, name: str) -> bool:
    """The field `name` of a frozen value, which is True or False, stored as Python's bool.

    Raises
    ------
    SpecError
        `nn.Linear(784, 50, bias=20): bias is True or False, not 20`.
    """
    flag = check_flag(f"{spec!r}: {name}", getattr(spec, name))
    object.__setattr__(spec, name, flag)
    return flag


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
    try:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = f"one of {operator.index(value).bit_length():,} bits"
    return text if len(text) <= 80 else f"{text[:77]}..."
