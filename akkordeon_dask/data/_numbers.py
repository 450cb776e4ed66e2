"""Arrays of numbers out of users' values, and equality by content."""

from collections import deque
from collections.abc import Iterator
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from akkordeon_dask.data._foreign import call_to_add, count_missing
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["as_numbers", "equal"]

_EXACT = 2**24
"""float32 has all whole numbers up to here."""
_SEQUENCES = (list, tuple, deque)
_PLAIN = frozenset((int, float, bool, np.ndarray))
_REMEDIES = {
    "c": "give real and imaginary parts as features of their own, x.real and x.imag",
    "M": 'add .astype("int64")',
    "m": 'add .astype("int64")',
    "V": "give its fields as columns, numpy.lib.recfunctions.structured_to_unstructured(x)",
}


def as_numbers(name: str, value: ArrayLike) -> Array:
    """`value` as a read-only plain array, without a copy where it is one.

    Parameters
    ----------
    name
        of the value, for the errors: `"x"`.
    value
        an array, a frame or column of numbers, a tensor, or nested lists of such; one row for each sample.

    Raises
    ------
    DataError
        where it holds no real numbers, or some of them are masked or missing: names its type and the remedy.
    """
    kind = type(value).__name__
    try:
        _check_parts(name, value)
        array = np.asanyarray(value)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name}, of type {kind}, does not become an array: {error}") from error
    if masked := _masked(array):  # of what an `__array__` gave
        raise DataError(_said_masked(name, masked, array.size))
    array = np.asarray(array).view()
    if array.ndim == 0:
        kind_text = (
            f"the single number {value!r}" if array.dtype.kind in "biufc" else f"of type {kind}, which is no array"
        )
        raise DataError(f"{name} is {kind_text}: give an array with one row for each sample")
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}{_holds(value, kind)} {_contents(array)}")
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


def _check_parts(name: str, value: Any) -> None:
    """DataError where `value`, or something in it, would not become numbers by itself, or lacks some of them."""
    masked = missing = 0
    for part in _parts(value):
        if (call := call_to_add(part)) is not None:
            verb = "is" if part is value else "holds something"
            raise DataError(f"{name} {verb} of type {type(part).__name__}, which is no array of numbers: {call}")
        masked += _masked(part)
        missing += count_missing(part)
    total = _size(value)
    if masked:
        raise DataError(_said_masked(name, masked, total))
    if missing:
        raise DataError(
            f"{name}: {missing:,} of {total:,} values are missing (NA): fill them by .fillna(value), with polars by "
            ".fill_null(value), or drop their rows"
        )


def _parts(value: Any) -> Iterator[Any]:
    """`value`, or what nested sequences hold, but Python's own numbers and plain arrays."""
    if isinstance(value, _SEQUENCES):
        for item in value:
            yield from _parts(item)
    elif type(value) not in _PLAIN:
        yield value


def _size(value: Any) -> int:
    return sum(map(_size, value)) if isinstance(value, _SEQUENCES) else int(np.prod(np.shape(value)))


def _masked(array: Any) -> int:
    return int(np.count_nonzero(np.ma.getmaskarray(array))) if isinstance(array, np.ma.MaskedArray) else 0


def _said_masked(name: str, masked: int, total: int) -> str:
    return f"{name}: {masked:,} of {total:,} values are masked: fill them by .filled(value), or drop their rows"


def _holds(value: Any, kind: str) -> str:
    return " holds" if isinstance(value, np.ndarray | list | tuple) else f", a {kind}, holds"


def _contents(array: Array) -> str:
    """The text of an error: the contents of an array that holds no numbers, and the remedy."""
    dtype = array.dtype
    remedy = _REMEDIES.get(dtype.kind, "encode them as numbers before")
    if dtype.kind == "c":
        return f"{dtype}, which are not real numbers: {remedy}"
    if dtype.kind == "V" and dtype.names is None:
        remedy = 'add .astype("float32")'
    if dtype.kind == "O":
        odd = [item for item in array.flat if not isinstance(item, Number | np.bool_)][:1]
        if not odd:
            kind = "float64" if any(abs(item) > _EXACT for item in array.flat) else "float32"
            return f'numbers as Python objects: add .astype("{kind}")'
        return f"{dtype}, e.g. {odd[0]!r:.40} of type {type(odd[0]).__name__}, which are not numbers: {remedy}"
    return f"{dtype}, which are not numbers: {remedy}"
