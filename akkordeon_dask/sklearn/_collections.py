"""Collections of Dask in and out of the estimators: they stay on the workers, and predictions are lazy."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from dask.delayed import delayed

from akkordeon_dask.data import is_collection
from akkordeon_dask.data._columns import check_missing
from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.collections import check_kind, check_names, load_rows
from akkordeon_dask.sklearn._inputs import check_names_differ
from akkordeon_dask.tree import Array

if TYPE_CHECKING:
    import dask.array as da
    import dask.dataframe as dd

__all__ = ["as_columns", "as_features", "check_collections", "check_table", "columns_of", "is_collection", "lazily"]


class Fitted(Protocol):
    """An estimator that can predict."""

    def as_taken(self, x: Array) -> Array:
        """In the dtype in which the network takes them."""
        ...

    def forward_rows(self, x: Array) -> Array:
        """(rows, outputs)"""
        ...


def check_collections(**given: Any) -> None:
    """All that a fit is given are collections of Dask where one is, and each is an array, a frame or a column.

    Raises
    ------
    ValueError
        when one is not: with the remedy.
    """
    for name, one in given.items():
        if not is_collection(one):
            kinds = ", ".join(f"{label} is a {type(value).__name__}" for label, value in given.items())
            raise ValueError(f"{name} is no collection of Dask: {kinds}: give all of one kind")
        check_table(name, one)


def check_table(name: str, table: Any) -> None:
    """A collection is an array, a frame or a column.

    Raises
    ------
    ValueError
        when it is another one: with the remedy.
    """
    kind = type(table)  # a Delayed has methods of any name
    if not (hasattr(kind, "map_blocks") or hasattr(kind, "to_dask_array")):
        raise ValueError(
            f"{name} is a {kind.__name__}: estimators take arrays, frames and columns of Dask, as "
            "dask.array.from_delayed and dask.dataframe.from_delayed make them"
        )


def columns_of(x: Any) -> tuple[int, Array | None]:
    """The number of features of a table, and their names where each is text.

    Raises
    ------
    ValueError
        when it has not two axes, has no features, or two of one name.
    """
    if x.ndim != 2:
        raise ValueError(f"Expected 2D array, got a collection of {x.ndim} axes: reshape it to (samples, features)")
    if x.shape[1] == 0:
        raise ValueError("X has 0 feature(s): give it one column at least")
    check_names_differ(x)
    names = list(getattr(x, "columns", ()))
    named = bool(names) and all(isinstance(name, str) for name in names)
    return int(x.shape[1]), np.array(names, object) if named else None


def as_features(x: Any, dtype: str, *, always: bool) -> object:
    """A table of numbers, (rows, features), of one dtype.

    Parameters
    ----------
    dtype
        `"numeric"`: the narrowest that has the numbers of all columns.
    always
        convert all columns to `dtype`; False: columns of floating point, or of one dtype, stay as they are.

    Raises
    ------
    DataError
        when a column holds no numbers: names it and the remedy.
    """
    check_kind("X", x)
    dtypes = list(x.dtypes) if hasattr(x, "dtypes") else [x.dtype]
    plain = all(isinstance(one, np.dtype) and one.kind == "f" for one in dtypes) and not always
    one_kind = isinstance(dtypes[0], np.dtype) and all(one == dtypes[0] for one in dtypes)
    if plain or (one_kind and not always):
        return x
    if dtype == "numeric":
        return x.astype(np.result_type(*dtypes) if all(isinstance(one, np.dtype) for one in dtypes) else "float64")
    return x.astype(dtype)


def as_columns(y: Any, dtype: str) -> "da.Array | dd.DataFrame":
    """(rows, columns) numbers of a table with one or two axes; a frame keeps its index.

    Raises
    ------
    DataError
        when it holds no numbers: names the column and the remedy.
    """
    check_kind("y", y)
    if hasattr(y, "to_dask_array"):
        frame = y.to_frame() if y.ndim == 1 else y
        targets: dd.DataFrame = frame.map_partitions(_as_targets, dtype, meta=frame._meta.astype(dtype))
        return targets
    array = y.astype(dtype)
    columns: da.Array = array[:, np.newaxis] if array.ndim == 1 else array.rechunk({1: -1})
    return columns


def _as_targets(part: Any, dtype: str) -> Any:
    check_missing("y", part)
    return part.astype(dtype)


def lazily(estimator: Fitted, x: Any, method: str, dtype: Any, width: int | None) -> "da.Array":
    """An estimator's method of a network's outputs, for each partition where it is.

    Parameters
    ----------
    method
        the method's name: it takes outputs (rows, outputs), and returns an array.
    width
        columns of the result; None: it has one axis.

    Raises
    ------
    DataError
        when a column holds no numbers; when it is computed, where numbers are missing: names the column.
    """
    names = list(x.columns) if hasattr(x, "columns") else None
    if names is not None:
        x = x.map_partitions(_with_names, names, meta=x._meta)
    array = _array(as_features(x, "numeric", always=False)).rechunk({1: -1})
    shape: dict[str, Any] = {"drop_axis": 1} if width is None else {"chunks": (array.chunks[0], (width,))}
    own = delayed(copy.copy(estimator), traverse=False)  # another fit may come before these are computed
    lazy: da.Array = array.map_blocks(_of_part, own, method, names, dtype=dtype, **shape)
    return lazy


def _with_names(part: Any, names: Sequence[Any]) -> Any:
    check_names("a partition of X", part, names)
    return part


def _of_part(
    part: Array, estimator: Fitted, method: str, names: Sequence[Any] | None, block_id: tuple[int, ...] = (0,)
) -> Array:
    label = f"X, partition {block_id[0]}"
    rows = estimator.as_taken(load_rows(label, part))
    _check_finite(label, rows, names)
    found: Array = getattr(estimator, method)(estimator.forward_rows(rows))
    return found


def _check_finite(label: str, rows: Array, names: Sequence[Any] | None) -> None:
    if rows.dtype.kind != "f" or (finite := np.isfinite(rows)).all():
        return
    column = int(np.argwhere(~finite)[0][1])
    name = f"feature {column}" if names is None else f"column {names[column]!r}"
    raise DataError(
        f"{label}: {np.count_nonzero(~finite[:, column]):,} of {len(rows):,} values of {name} are missing, infinite or "
        f"too large for {rows.dtype}: fill them, .fillna(value), or drop their rows"
    )


def _array(table: Any) -> Any:
    """A table as an array, whose chunks may have unknown lengths."""
    return table.to_dask_array() if hasattr(table, "to_dask_array") else table
