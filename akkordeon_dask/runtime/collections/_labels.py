"""The labels of a column of Dask as numbers of classes. Workers need neither scikit-learn nor the memory for it."""

from collections import deque
from collections.abc import Set
from typing import Any

import numpy as np
from dask.delayed import delayed
from distributed import Client

from akkordeon_dask.data._columns import check_missing
from akkordeon_dask.data._foreign import call_to_add
from akkordeon_dask.data._numbers import as_weights
from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.collections._computed import computed
from akkordeon_dask.tree import Array

__all__ = ["as_labels", "class_numbers", "comparable", "count_labels", "count_missing_labels", "distinct_labels"]


def count_labels(y: Any, weights: Any, client: Client | None) -> tuple[Array, Array]:
    """The sorted values of a column, and the sum of the weights of each, computed on the client's cluster.

    Parameters
    ----------
    y : (rows,)
        labels of any kind, an array or column of Dask.
    weights : (rows,) or None
        of the same partitions; None: all weigh 1.
    client
        None: where Dask computes by default.

    Raises
    ------
    DataError
        when a label is missing or masked, or the weights do not fit: names the partition and the remedy; when all
        workers stay paused.
    """
    parts, its = _delayed(y), None if weights is None else _delayed(weights)
    if its is not None and len(its) != len(parts):
        raise DataError(f"y has {len(parts)} partitions, the weights have {len(its)}: give them the partitions of y")
    counted = [
        delayed(_counted)(number, part, None if its is None else its[number]) for number, part in enumerate(parts)
    ]
    whole = delayed(_united)(counted)
    if client is None:
        found: tuple[Array, Array] = whole.compute()
        return found
    future = client.compute(whole)
    try:
        (found,) = client.sync(computed, client, [future], "the classes of y are not counted")
    finally:
        future.release()  # an error that is kept would keep its tasks on the cluster
    return found


def _delayed(column: Any) -> list[Any]:
    return list(np.ravel(column.to_delayed()))


def _counted(number: int, part: Any, weights: Any) -> tuple[Array, Array]:
    where = f"partition {number}"
    values, indices = distinct_labels(f"y, {where}", as_labels(f"y, {where}", part))
    its = None if weights is None else as_weights(f"weights, {where}", weights, len(indices))
    return values, np.bincount(indices, its, minlength=len(values))


def _united(counted: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    _check_one_kind([values.dtype for values, _ in counted if len(values)])
    values, indices = np.unique(np.concatenate([values for values, _ in counted]), return_inverse=True)
    return values, np.bincount(indices, np.concatenate([counts for _, counts in counted]), minlength=len(values))


def _check_one_kind(dtypes: list["np.dtype[Any]"]) -> None:
    """Check that partitions hold labels that numpy joins as they are: it makes text of numbers beside text.

    Raises
    ------
    DataError
        when it would change some: names both dtypes and the remedy.
    """
    kinds = {dtype.kind for dtype in dtypes}
    text, whole = kinds & set("OU"), bool(kinds) and kinds <= set("iu")
    if (text and kinds - set("OU")) or (whole and np.result_type(*dtypes).kind == "f"):
        said = ", ".join(sorted({str(dtype) for dtype in dtypes}))
        raise DataError(
            f"y holds labels of the types {said} in its partitions: give all one type, y.astype("
            f"{'str' if text else repr('int64')})"
        )


def class_numbers(y: Any, classes: Array) -> object:
    """The column with each label's place among the sorted `classes`: (rows,) int64."""
    if hasattr(y, "map_partitions"):
        column: object = y.map_partitions(_numbers_of_column, classes, meta=(None, np.int64))
        return column
    array: object = y.map_blocks(_numbers, classes=classes, dtype=np.int64)
    return array


def _numbers_of_column(part: Any, classes: Array) -> Any:
    return type(part)(_numbers(part, classes), index=part.index)


def _numbers(part: Any, classes: Array) -> Array:
    labels, classes = comparable(as_labels("y", part), classes)
    if len(strange := np.setdiff1d(labels, classes)):
        raise DataError(f"y: class {strange[0]!r} is none of {classes!r}, the known ones: fit with all classes first")
    return np.searchsorted(classes, labels).astype(np.int64)


def comparable(labels: Array, classes: Array) -> tuple[Array, Array]:
    """Both, so that whole numbers are compared as such: numpy makes floating point of int64 beside uint64."""
    kinds = labels.dtype.kind + classes.dtype.kind
    if kinds in ("iu", "ui") and np.result_type(labels, classes).kind == "f":
        return labels.astype(object), classes.astype(object)
    return labels, classes


def distinct_labels(label: str, labels: Array) -> tuple[Array, Array]:
    """The sorted values that occur, and the place of each label among them, (rows,).

    Raises
    ------
    DataError
        where labels of several types have no order: names the types and the remedy.
    """
    try:
        values, indices = np.unique(labels, return_inverse=True)
    except TypeError:
        kinds = sorted({type(item).__name__ for item in labels.flat})
        said = f"mixes labels of the types {', '.join(kinds)}: give all one type"
        if len(kinds) == 1:
            said = f"holds labels of type {kinds[0]}, which have no order: give text or numbers"
        raise DataError(f"{label} {said}, y.astype(str)") from None
    return values, indices


def as_labels(label: str, part: Any) -> Array:
    """The labels of a partition as an array, (rows,); also those in a set.

    Raises
    ------
    DataError
        where some are missing or masked, or it is no array: names the remedy.
    """
    if (call := call_to_add(part)) is not None:
        raise DataError(f"{label} is of type {type(part).__name__}, which is no array of labels: {call}")
    check_missing(label, part)
    if missing := count_missing_labels(part):
        raise DataError(f"{label}: {missing:,} of {len(part):,} labels are missing: drop their rows")
    masked = int(np.count_nonzero(np.ma.getmaskarray(part))) if isinstance(part, np.ma.MaskedArray) else 0
    labels = np.asarray(list(part) if isinstance(part, Set) else part)
    kind = labels.dtype.kind
    missing = masked
    if kind == "f":
        missing += int(np.isnan(labels).sum())
    elif kind in "mM":
        missing += int(np.isnat(labels).sum())
    elif kind in "OT":
        missing += sum(map(_is_missing, labels.astype(object).flat))
    if missing:
        raise DataError(f"{label}: {missing:,} of {labels.size:,} labels are missing: drop their rows")
    if labels.ndim != 1 or kind == "c":
        raise DataError(f"{label} has shape {labels.shape} and dtype {labels.dtype}: give one label for each row")
    return labels.astype(object).astype(str) if kind == "T" else labels  # scikit-learn knows no StringDType


def count_missing_labels(labels: Any) -> int:
    """The labels of a list or a set that are missing: beside text numpy makes text of NaN, a class of its own.

    Examples
    --------
    >>> count_missing_labels(["cat", float("nan"), [None]])
    2
    """
    if not isinstance(labels, list | tuple | deque | Set):
        return 0
    return sum(count_missing_labels(one) or int(_is_missing(one)) for one in labels)


def _is_missing(item: Any) -> bool:
    """None, NaN, or NA and NaT of pandas."""
    if isinstance(item, float | np.floating):
        return bool(item != item)
    return item is None or item is np.ma.masked or type(item).__name__ in ("NAType", "NaTType")
