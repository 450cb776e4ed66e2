"""Samples in memory: checks beside those of scikit-learn, which convert some of them in silence, and providers."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets

from akkordeon_dask import data
from akkordeon_dask.data._columns import check_columns, check_missing, check_times, describe_dtype, is_time
from akkordeon_dask.data._foreign import call_to_add
from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.collections import as_labels, count_missing_labels
from akkordeon_dask.tree import Array

__all__ = [
    "check_classes",
    "check_names_differ",
    "check_plain",
    "columns_named",
    "plain_labels",
    "provider_of",
    "rows_that_count",
]

_PLAIN = frozenset((int, float, bool, str))


def check_plain(name: str, value: Any, *, labels: bool = False) -> None:
    """Refuse what scikit-learn would turn into other numbers, masked values and times, records, and what comes later.

    Parameters
    ----------
    labels
        they name classes: times are as good as others.

    Raises
    ------
    DataError
        then: with the remedy.
    """
    if (call := call_to_add(value)) is not None and not hasattr(value, "toarray"):  # scikit-learn names sparse matrices
        raise DataError(f"{name} is of type {type(value).__name__}, which is no array of numbers: {call}")
    _check_masks(name, value)
    if labels:
        check_missing(name, value)
        if missing := count_missing_labels(value):
            raise DataError(f"{name}: {missing:,} of {len(value):,} labels are missing: drop their rows")
    else:
        check_times(name, value)
        _check_dtype(name, value)
        if name == "X":
            check_names_differ(value)


def _check_masks(name: str, value: Any) -> None:
    """Check that no value is masked, also of arrays in a list: numpy would make an array of all values there."""
    masks = [np.ma.getmaskarray(part) for part in _parts(value) if isinstance(part, np.ma.MaskedArray)]
    if masked := sum(map(int, map(np.count_nonzero, masks))):
        total = sum(map(int, map(np.size, _items(value))))
        raise DataError(
            f"{name}: {masked:,} of {total:,} values are masked: fill them by .filled(value), or drop their rows"
        )


def _check_dtype(name: str, value: Any) -> None:
    """Check that no array, no column and no item of a list holds times or records."""
    for part in _parts(value):
        dtype = getattr(part, "dtype", getattr(part, "type", None))  # pyarrow's is `type`
        if isinstance(dtype, np.dtype) and dtype.kind in "MmV":
            raise DataError(f"{name} holds {describe_dtype(dtype)}")
        if isinstance(part, date | timedelta):
            raise DataError(f"{name} holds {part!r:.80}, which is no number: give numbers of a unit that you name")
        if is_time(dtype):
            raise DataError(
                f"{name}, a {type(part).__name__}, holds {dtype}, which are not numbers: take numbers of its times, of "
                "pandas .astype('int64'), of polars .to_physical(), of pyarrow .cast('int64')"
            )


def _parts(value: Any) -> Iterator[Any]:
    """A value, or what nested lists hold, but plain numbers and text."""
    return (item for item in _items(value) if type(item) not in _PLAIN)


def _items(value: Any) -> Iterator[Any]:
    if not isinstance(value, list | tuple | deque):
        yield value
        return
    for item in value:
        yield from _items(item)


def check_classes(labels: Array) -> None:
    """Check that labels name classes, (classes,).

    Raises
    ------
    ValueError
        when they are numbers with fractions, or Python's objects but text: with the remedy.
    """
    if labels.dtype.kind == "O" and not isinstance(labels[0], str):
        raise DataError(
            f"Unknown label type: y holds labels of type {type(labels[0]).__name__} as Python objects: add "
            f".astype({_plain_dtype(labels[0])})"
        )
    check_classification_targets(labels)


def _plain_dtype(label: object) -> str:
    if isinstance(label, bool | np.bool_):
        return "bool"
    if isinstance(label, float | np.floating):
        return "float"
    return '"int64"' if isinstance(label, Integral) and abs(int(label)) < 2**63 else "str"


def plain_labels(value: ArrayLike) -> ArrayLike:
    """A column of pandas' nullable whole numbers or truth values, or numpy's text of any width, as a plain array.

    Others are as they are. scikit-learn would make float64 of the first, which has not all whole numbers; it takes none
    of the second.
    """
    if getattr(getattr(value, "dtype", None), "kind", "O") == "T":
        return as_labels("y", value)
    plain = getattr(getattr(value, "dtype", None), "numpy_dtype", None)
    if getattr(plain, "kind", "O") not in "biu":
        return value
    labels: Array = value.to_numpy(plain)  # type: ignore[union-attr]
    return labels


def check_names_differ(x: Any) -> None:
    """Check that each column of a frame has a name of its own; other values pass. scikit-learn does so from 1.9 on.

    Raises
    ------
    ValueError
        names those that are there twice.
    """
    counts = Counter(list(getattr(x, "column_names", getattr(x, "columns", ()))))  # pyarrow's columns are arrays
    if twice := sorted(str(name) for name, count in counts.items() if count > 1):
        raise ValueError(f"X has several columns of one name, {', '.join(twice)}: give each column a name of its own")


@contextmanager
def columns_named(**frames: Any) -> Iterator[None]:
    """Name the column to blame, if there is one, where the body refuses frames of pandas.

    Raises
    ------
    DataError
        then, instead of the error of the body.
    """
    try:
        yield
    except (TypeError, ValueError):
        checks: tuple[Callable[[str, Any], None], ...] = (check_missing, _check_columns)
        for check in checks:
            for name, frame in frames.items():
                check(name, frame)
        raise


def _check_columns(name: str, frame: Any) -> None:
    check_columns(name, frame, lazy=False)


def rows_that_count(samples: Array, targets: Array, weights: Array) -> tuple[Array, Array, Array]:
    """The rows whose weight is not 0: the others would fill batches.

    Raises
    ------
    ValueError
        when there are none.
    """
    counts = weights != 0
    if not counts.any():
        raise ValueError("sample_weight is 0 for all samples: give some of them a weight above 0")
    return (samples, targets, weights) if counts.all() else (samples[counts], targets[counts], weights[counts])


def provider_of(
    samples: Array, targets: Array, weights: Array | None, rows: Array, *, seed: int | None
) -> data.Provider:
    """The provider of some rows, shuffled by a seed; None: in their order."""
    some = None if weights is None else weights[rows]
    return data.arrays(samples[rows], targets[rows], some, shuffle=seed is not None, seed=seed or 0)
