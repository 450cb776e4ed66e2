"""Arrays of numbers out of users' values, and equality by content."""

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from akkordeon_dask.data._columns import NUMBERS, check_columns, check_times, describe_contents, first_missing
from akkordeon_dask.data._foreign import call_to_add, count_missing
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["as_numbers", "as_weights", "check_some_weight", "equal"]

_SEQUENCES = (list, tuple, deque)
_PLAIN = frozenset((int, float, bool, np.ndarray))


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
        where it holds no real numbers, or some of them are masked, or missing in a frame or column: names its type, the
        column and the remedy.
    """
    kind = type(value).__name__
    try:
        _check_parts(name, value)
        check_times(name, value)
        array = np.asanyarray(value)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name}, of type {kind}, does not become an array: {error}") from error
    if masked := _masked(array):  # of what an `__array__` gave
        raise DataError(_said_masked(name, masked, array.size))
    array = np.asarray(array).view()
    if array.ndim == 0:
        kind_text = f"of type {kind}, which is no array"
        if array.dtype.kind in "biufc" or isinstance(value, np.ndarray):
            kind_text = f"the single {'number' if array.dtype.kind in 'biufc' else 'value'} {value!r:.80}"
        raise DataError(f"{name} is {kind_text}: give an array with one row for each sample")
    if array.dtype.kind not in NUMBERS:
        if array.ndim > 1:
            check_columns(name, value, lazy=False)
        raise DataError(f"{name}{_holds(value, kind)} {describe_contents(array, castable=hasattr(value, 'astype'))}")
    array.flags.writeable = False
    return array


def as_weights(name: str, value: ArrayLike, samples: int) -> Array:
    """Sample weights as a read-only array, (samples,) float64.

    Raises
    ------
    DataError
        where there is not one for each sample, or one is negative, infinite or no number.
    """
    weights = as_numbers(name, value)
    if weights.shape != (samples,):
        raise DataError(
            f"{name} have shape {weights.shape}, and there are {samples} samples: give one number for each sample"
        )
    weights = weights.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise DataError(
            f"{name}: {weights[bad[0]]} of sample {bad[0]} is no weight: give finite numbers of at least 0, where 0 "
            "leaves a sample out"
        )
    weights.flags.writeable = False
    return weights


def check_some_weight(name: str, weights: Array) -> None:
    """DataError where no sample counts."""
    if len(weights) and not weights.any():
        raise DataError(f"{name} are all 0, so that no sample counts: give some of them a weight above 0")


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
        found = first_missing(value)
        where = "" if found is None or not hasattr(value, "columns") else f"; the first are in {found[0].text}"
        raise DataError(
            f"{name}: {missing:,} of {total:,} values are missing (NA): fill them by .fillna(value), with polars by "
            f".fill_null(value), or drop their rows{where}"
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
