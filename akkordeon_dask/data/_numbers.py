"""What is a number, an array of numbers, and when two are the same."""

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["equal", "numbers", "whole"]


def whole(name: str, value: Any, least: int) -> int:
    """`value` as an int, or a DataError where it is not a whole number of at least `least`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise DataError(f"{name}={value!r}: give a whole number of at least {least}")
    return number


def numbers(name: str, value: ArrayLike) -> Array:
    """`value` as a read-only array, without a copy where it is one; DataError where it holds no numbers."""
    try:
        array = np.asarray(value).view()
    except Exception as error:
        raise DataError(f"{name}, of type {type(value).__name__}, does not become an array: {error}") from error
    if array.dtype.kind not in "biufc":
        raise DataError(f"{name} holds {array.dtype}, which are not numbers: encode them as numbers before")
    if array.ndim == 0:
        raise DataError(f"{name} is the single number {value!r}: give an array with one row for each sample")
    array.flags.writeable = False
    return array


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same by content: arrays, and lists and tuples with arrays in them."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)
