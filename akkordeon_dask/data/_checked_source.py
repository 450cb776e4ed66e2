"""Checks and copies of batches that users make: all of them pass here."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from akkordeon_dask import memory
from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.data._foreign import call_to_add, column_names
from akkordeon_dask.data._numbers import as_numbers, as_weights
from akkordeon_dask.data._provider import Batch, Provider, Source
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["BatchChecks", "CheckedSource", "open_source"]


def open_source(provider: Provider) -> Source:
    """`provider.open()`, with every batch checked and copied as it is drawn unless the source is `stable`.

    Raises
    ------
    DataError
        where the data cannot be had, or `open` returns no `Source`.
    """
    source = provider.open()
    if not isinstance(source, Source):
        raise DataError(f"{provider!r}: open() returned a {type(source).__name__}: it has to return a data.Source")
    return source if source.stable else CheckedSource(repr(provider), source)


class CheckedSource(Source):
    """Serves the batches of a source that promises nothing.

    Parameters
    ----------
    name
        of the provider, for the errors.
    source
        whose batches these are.
    """

    stable = True

    def __init__(self, name: str, source: Source) -> None:
        self._name, self._source = name, source
        self.samples = source.samples
        self.shape = None if source.shape is None else tuple(source.shape)
        self.dtype = None if source.dtype is None else np.dtype(source.dtype)
        self.labelled, self.blocking = source.labelled, source.blocking
        self.columns = ColumnNames.said(source.columns)
        self._checks = BatchChecks(copy=True)

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        # The source is asked here, not at the first batch: it may refuse a `batch_size` at once.
        return self._checked(iter(self._source.batches(epoch, batch_size)), epoch)

    def _checked(self, batches: Iterator[Any], epoch: int) -> Iterator[Batch]:
        for number, thing in enumerate(batches, 1):
            batch = self._checks.check(thing, f"{self._name}, epoch {epoch}, batch {number}")
            self.columns = self._checks.names.joined(ColumnNames.said(self._source.columns))
            yield batch

    def interrupt(self) -> None:
        self._source.interrupt()

    def close(self) -> None:
        self._source.close()

    def __repr__(self) -> str:
        return f"the source of {self._name}"


class BatchChecks:
    """Checks of the batches of one source.

    Parameters
    ----------
    copy
        False: arrays in C order and the machine's byte order are not copied.
    """

    def __init__(self, *, copy: bool) -> None:
        self._keep = memory.copied if copy else _straight
        self._columns: dict[str, tuple[list[Any], str]] = {}
        """Of the first frames: the names of their columns, and the batch."""

    @property
    def names(self) -> ColumnNames:
        """Of the first frames."""
        x, y = (self._columns.get(side, (None, ""))[0] for side in "xy")
        return ColumnNames.named(x, y)

    def check(self, thing: Any, where: str) -> Batch:
        """A batch as an iterable or a source gave it, as plain arrays in the machine's byte order, for readers alone.

        Parameters
        ----------
        thing
            `(x, y)` or `(x, y, weights)`, x : (batch, ...), y : (batch, ...) or None, weights : (batch,) or None,
            arrays of numbers or values that become such.
        where
            names the batch, for the errors.

        Raises
        ------
        DataError
            where it is no such tuple, or a frame has other columns than that of the first batch.
        """
        if not isinstance(thing, (tuple, list)) or len(thing) not in (2, 3):
            size = f" of {len(thing)}" if isinstance(thing, (tuple, list)) else ""
            advice = call_to_add(thing) or _as_pair(thing)
            raise DataError(
                f"{where}: a batch is (x, y) or (x, y, weights), not a {type(thing).__name__}{size}; {advice}"
            )
        for name, part in zip("xy", thing, strict=False):
            self._check_columns(name, part, where)
        x = as_numbers(f"{where}: x", thing[0])
        y = None if thing[1] is None else as_numbers(f"{where}: y", thing[1])
        if y is not None and len(x) != len(y):
            raise DataError(f"{where}: x has {len(x)} samples, y has {len(y)}: give one row of y for each row of x")
        if len(x) == 0:
            raise DataError(f"{where} has no samples: leave empty batches out")
        keep = self._keep
        if len(thing) == 2 or thing[2] is None:
            return keep(x), None if y is None else keep(y)
        weights = as_weights(f"{where}: weights", thing[2], len(x))
        return keep(x), None if y is None else keep(y), keep(weights)

    def _check_columns(self, name: str, frame: Any, where: str) -> None:
        """Columns become features by their position: all frames have those of the first one, in its order."""
        columns = column_names(frame)
        if columns is None:
            return
        first, its = self._columns.setdefault(name, (columns, where))
        if columns != first:
            raise DataError(
                f"{where}: {name} has the columns {columns!r:.200}, and in {its} it had {first!r:.200}: select the "
                "same ones in the same order in each batch"
            )


def _as_pair(thing: Any) -> str:
    """The advice about a value that is no batch; a mapping, as loaders of records make it, has the arrays in it."""
    if isinstance(thing, Mapping) and len(thing) > 1:
        x, y = islice(thing, 2)
        return f"take them out of it, by a function that yields (batch[{x!r}], batch[{y!r}]) for each"
    return "two whole arrays make a provider by data.arrays(x, y)"


def _straight(x: Array) -> Array:
    """`x` itself where it is in C order and the machine's byte order, aligned, else a copy that is."""
    return x if x.flags.c_contiguous and x.flags.aligned and x.dtype.isnative else memory.copied(x)
