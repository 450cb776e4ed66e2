"""The rows of a partition as arrays of numbers, and the errors of those that are none. Runs in tasks, on workers."""

import contextlib
import ctypes
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from akkordeon_dask.data import CollectionColumns, Partition, as_numbers
from akkordeon_dask.data._columns import check_columns, check_missing
from akkordeon_dask.data._foreign import call_to_add
from akkordeon_dask.data._numbers import as_weights
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["check_names", "count_rows", "load_partition", "load_rows", "release_unused"]


def count_rows(label: str, value: Any) -> int:
    """The rows of a partition.

    Raises
    ------
    DataError
        when it has none, or is a sparse matrix: names the remedy.
    """
    if (call := call_to_add(value)) is not None:
        raise DataError(f"{label} is of type {type(value).__name__}, which is no array of numbers: {call}")
    try:
        return len(value)
    except TypeError:
        kind = type(value).__name__
        raise DataError(f"{label} is a {kind}, which has no rows: give an array with one row for each sample") from None


def load_partition(number: int, x: Any, y: Any, weights: Any, columns: CollectionColumns) -> Partition:
    """Partition `number` as arrays of numbers; with a target that column of x, or those of a list, are y.

    Raises
    ------
    DataError
        where they hold something else: names the column and the remedy.
    """
    where = f"partition {number}"
    check_names(f"x, {where}", x, columns.x)
    check_names(f"y, {where}", y, columns.y)
    if columns.target is not None:
        x, y = x.drop(columns=columns.targets), x[columns.target]
    for label, other in (("y", y), ("weights", weights)):
        _check_order(where, x, label, other)
    release_unused()
    rows = load_rows(f"x, {where}", x)
    labels = None if y is None else load_rows(f"y, {where}", y)
    if labels is not None and len(rows) != len(labels):
        raise DataError(f"{where}: x has {len(rows):,} rows, y has {len(labels):,}: give one row of y for each of x")
    if weights is None:
        return Partition(rows, labels)
    check_missing(f"weights, {where}", weights)
    return Partition(rows, labels, as_weights(f"weights, {where}", weights, len(rows)))


def _check_order(where: str, x: Any, label: str, other: Any) -> None:
    """Check that two parts of frames, whose rows are paired by position, have not one index in two orders.

    Raises
    ------
    DataError
        when they have: then their rows do not belong together.
    """
    one: Any = getattr(x, "index", None)
    two: Any = getattr(other, "index", None)
    if one is two or not (hasattr(one, "equals") and hasattr(two, "equals")) or one.equals(two):
        return
    if not one.symmetric_difference(two).size and len(one) == len(two):
        raise DataError(
            f"{where}: x and {label} have the same index in different orders, and rows are paired by position: sort "
            f"both in the same way, or make {label} of the frame of x"
        )


def check_names(label: str, frame: Any, columns: Sequence[Any] | None) -> None:
    """Check that a partition of a frame has the columns that Dask knows, in their order.

    Raises
    ------
    DataError
        when it has others: quotes both.
    """
    names = getattr(frame, "columns", None)
    if columns is None or names is None or list(names) == list(columns):
        return
    raise DataError(
        f"{label} has the columns {list(names)!r:.200}, and Dask expects {list(columns)!r:.200}: select them in each "
        "partition, and give the function that makes it the right meta"
    )


def load_rows(label: str, value: Any) -> Array:
    """A partition in rows, of which batches are gathered; a frame has its numbers in columns.

    Raises
    ------
    DataError
        where it holds no numbers, or lacks some: names the column and the remedy.
    """
    check_columns(label, value, lazy=True)
    check_missing(label, value)
    array = as_numbers(label, value)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))


def release_unused() -> None:
    """Give memory back that pyarrow and glibc keep for later: reading Parquet takes many times what a partition holds.

    A worker whose memory stays full is paused by Dask, and then reads nothing more.
    """
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
