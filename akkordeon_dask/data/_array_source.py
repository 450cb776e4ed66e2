"""Serves all data that fit in memory."""

from collections.abc import Callable, Iterator

import numpy as np

from akkordeon_dask import memory
from akkordeon_dask._numbers import check_int
from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.data._provider import Batch, Source
from akkordeon_dask.data._selected import Selected
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["ArraySource"]


class ArraySource(Source):
    """Serves the rows of `provider` from arrays that nobody writes into.

    Shuffled batches are gathered into recycled memory and belong to the caller; batches in order
    are read-only views where the rows are adjacent.

    Parameters
    ----------
    provider
        whose rows and orders these are; errors quote it.
    x : (total, ...); y : (total, ...) or None; weights : (total,) float64 or None
        all samples, of which the provider serves a part.
    drop_last
        leave out the batch that would have fewer samples than the others.
    columns
        the names of those that the samples come from.

    Raises
    ------
    DataError
        where the provider asks for samples that the arrays do not have.
    """

    stable = True
    blocking = False

    def __init__(
        self,
        provider: Selected,
        x: Array,
        y: Array | None,
        weights: Array | None = None,
        *,
        drop_last: bool = False,
        columns: ColumnNames = ColumnNames(),  # noqa: B008 - a tuple
    ) -> None:
        self._provider = provider
        self._rows = provider.rows(len(x))
        self._x = _ready(x)
        self._y = None if y is None else _ready(y)
        self._weights = None if weights is None else _ready(weights)
        self._drop_last = drop_last
        self.samples = len(self._rows)
        self.shape = x.shape[1:]
        self.dtype = self._x.dtype
        self.labelled = y is not None
        self.columns = columns

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        size = check_int(f"{self._provider!r}: batch_size", batch_size, 1, error=DataError)
        samples = len(self._rows)
        if size > samples:
            raise DataError(
                f"batch_size={size} is larger than the {samples} samples of {self._provider!r}: "
                f"use a batch_size of at most {samples}, or more samples"
            )
        return self._shuffled(epoch, size) if self._provider.shuffle else self._in_order(size)

    def _shuffled(self, epoch: int, size: int) -> Iterator[Batch]:
        index = self._provider.order(self._rows, epoch)
        for start in range(0, self._end(size), size):
            yield self._gathered(index[start : start + size])

    def _in_order(self, size: int) -> Iterator[Batch]:
        for start in range(0, self._end(size), size):
            rows = self._rows[start : start + size]
            if rows.step == 1:
                part = slice(rows.start, rows.stop)
                yield self._batch(lambda array, part=part: array[part])  # type: ignore[misc]
            else:
                yield self._gathered(np.arange(rows.start, rows.stop, rows.step))

    def _end(self, size: int) -> int:
        """The samples of an epoch that are served."""
        return len(self._rows) - (len(self._rows) % size if self._drop_last else 0)

    def _gathered(self, index: Array) -> Batch:
        return self._batch(lambda array: _gather(array, index))

    def _batch(self, some: Callable[[Array], Array]) -> Batch:
        both = some(self._x), None if self._y is None else some(self._y)
        return both if self._weights is None else (*both, some(self._weights))


def _gather(source: Array, index: Array) -> Array:
    out = memory.empty((len(index), *source.shape[1:]), source.dtype)
    # "clip" alone writes straight into `out`; the rows are valid by construction.
    source.take(index, axis=0, out=out, mode="clip")
    return out


def _ready(array: Array) -> Array:
    """`array` aligned, which none that was unpickled needs to be: `take` would copy all of another at each batch."""
    array = memory.aligned(array).view()
    array.flags.writeable = False
    return array
