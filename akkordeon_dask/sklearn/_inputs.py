"""Samples in memory: checks beside those of scikit-learn, which convert some of them in silence, and providers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.multiclass import check_classification_targets

from akkordeon_dask import data
from akkordeon_dask.data._columns import check_columns, check_missing, check_times, describe_dtype
from akkordeon_dask.data._foreign import call_to_add
from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.collections import count_missing_labels
from akkordeon_dask.tree import Array

__all__ = ["check_classes", "check_plain", "columns_named", "plain_labels", "provider_of", "rows_that_count"]


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
    if isinstance(value, np.ma.MaskedArray) and (masked := int(np.count_nonzero(np.ma.getmaskarray(value)))):
        raise DataError(
            f"{name}: {masked:,} of {value.size:,} values are masked: fill them by .filled(value), or drop their rows"
        )
    dtype = getattr(value, "dtype", None)
    if not labels and isinstance(dtype, np.dtype) and dtype.kind in "MmV":
        raise DataError(f"{name} holds {describe_dtype(dtype)}")
    if labels:
        check_missing(name, value)
        if missing := count_missing_labels(value):
            raise DataError(f"{name}: {missing:,} of {len(value):,} labels are missing: drop their rows")
    else:
        check_times(name, value)


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
    """A column of pandas' nullable whole numbers or truth values as an array, others as they are.

    scikit-learn would make float64 of them, which has not all whole numbers.
    """
    plain = getattr(getattr(value, "dtype", None), "numpy_dtype", None)
    if getattr(plain, "kind", "O") not in "biu":
        return value
    labels: Array = value.to_numpy(plain)  # type: ignore[union-attr]
    return labels


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
