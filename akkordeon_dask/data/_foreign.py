"""Values that users pass instead of an array, and the call that turns each into one."""

from collections.abc import Awaitable, Iterable, Iterator, Mapping, Set
from typing import Any

import numpy as np

__all__ = ["call_to_add", "column_names", "count_missing", "holds_no_batches", "is_array_like", "is_dask"]

_SPARSE = ("toarray", "todense")
_LAZY = ("result", "collect")
"""Methods of futures and of lazy frames."""


def call_to_add(value: Any) -> str | None:
    """The call that makes an array of `value`, where numpy would make none, or compute one in silence.

    Types are known by what they can do: none of their packages is imported.

    Examples
    --------
    >>> from concurrent.futures import Future
    >>> call_to_add(Future())
    'add .result()'
    """
    if is_dask(value):
        return "add .compute()"
    if (method := _method(value)) is not None:
        return f"add .{method}()"
    if isinstance(value, Awaitable):
        return "await it"
    if isinstance(value, Iterator):
        return "make one of all its items, numpy.stack(list(...))"
    return "call it" if callable(value) and not is_array_like(value) else None


def is_array_like(value: Any) -> bool:
    """Whether numpy can make an array of it: an array, a frame, a column, a tensor."""
    return hasattr(type(value), "__array__")


def holds_no_batches(value: Any) -> bool:
    """Whether a value, though iterable or callable, cannot be meant as an iterable of batches."""
    return isinstance(value, str | bytes | bytearray | Mapping | Set) or is_array_like(value) or _is_lazy(value)


def column_names(value: Any) -> list[Any] | None:
    """The names of the columns of a frame of pandas or polars or a table of pyarrow; None: it is none."""
    if not is_array_like(value):
        return None
    names = getattr(value, "column_names", getattr(value, "columns", None))  # pyarrow's `columns` are their values
    return list(names) if isinstance(names, Iterable) else None


def count_missing(value: Any) -> int:
    """The number of values of a frame or a column that are NaN, NA or null: NaN in a frame is a missing value."""
    if hasattr(type(value), "null_count"):  # polars' method, pyarrow's property
        nulls = value.null_count
        return int(np.sum(np.asarray(nulls() if callable(nulls) else nulls)))
    if callable(getattr(type(value), "itercolumns", None)):  # a table of pyarrow
        return int(sum(column.null_count for column in value.itercolumns()))
    if not callable(getattr(type(value), "isna", None)):
        return 0
    dtypes = np.atleast_1d(np.asarray(getattr(value, "dtypes", getattr(value, "dtype", None)), object))
    if all(isinstance(dtype, np.dtype) and dtype.kind not in "fO" for dtype in dtypes):
        return 0
    return int(np.count_nonzero(np.asarray(value.isna())))


def is_dask(value: Any) -> bool:
    """Whether it is a collection of Dask or a Delayed; xarray's objects are one only where they hold one."""
    graph = getattr(type(value), "__dask_graph__", None)
    if not callable(graph):
        return False
    # Dask's own are always one, and a large frame would make its graph to answer.
    return type(value).__module__.partition(".")[0] == "dask" or graph(value) is not None


def _is_lazy(value: Any) -> bool:
    return is_dask(value) or _method(value) is not None or isinstance(value, Awaitable)


def _method(value: Any) -> str | None:
    methods = _SPARSE if is_array_like(value) else (*_SPARSE, *_LAZY)
    return next((name for name in methods if callable(getattr(type(value), name, None))), None)
