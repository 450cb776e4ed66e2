"""The base classes of providers and sources of data."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from akkordeon_dask._repr import Written
from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.tree import Array

__all__ = ["Batch", "Provider", "Source"]

Batch: TypeAlias = tuple[Array, Array | None] | tuple[Array, Array | None, Array]
"""`(x, y)` or `(x, y, weights)`, x : (batch, ...), y : (batch, ...), weights : (batch,) float64.

y is None where the data have no labels; without weights all samples weigh 1."""


class Source(ABC):
    """Loaded data, on the worker of the sentinel. Used by one thread at a time.

    Each batch of a source of your own is checked and copied the moment it is drawn: you may fill the same buffers for
    the next one. Set `stable` where you promise that none of this is needed.

    Examples
    --------
    Points of a circle, new ones each epoch; `Provider` has the description of them:

    >>> import numpy as np
    >>> from akkordeon_dask import data
    >>> class Points(data.Source):
    ...     samples, shape, labelled = 1000, (2,), True
    ...
    ...     def batches(self, epoch, batch_size):
    ...         rng = np.random.default_rng(epoch)
    ...         for start in range(0, self.samples, batch_size):
    ...             x = rng.uniform(-1, 1, (min(batch_size, self.samples - start), 2))
    ...             yield x.astype(np.float32), ((x**2).sum(axis=1) < 0.5).astype(np.int64)
    >>> [len(x) for x, y in Points().batches(1, 400)]
    [400, 400, 200]
    """

    samples: int | None = None
    """Samples in one epoch; None where that is not known before (a stream)."""

    shape: tuple[int, ...] | None = None
    """A sample's shape, None where it is not known before the first batch."""

    dtype: np.dtype[Any] | None = None
    """A sample's dtype, None where it is not known before the first batch."""

    labelled: bool | None = None
    """Whether batches have a y; None where it is not known before the first batch."""

    columns: ColumnNames = ColumnNames()
    """Of the tables that the samples come from, once they are known: all data of a network have the same ones."""

    blocking: bool = True
    """The next batch may wait for a disk or a network: it is drawn in a thread of its own. False: it takes nothing but
    CPU, and is drawn in a turn of the sentinel."""

    stable: bool = False
    """The promise that each batch is made of plain arrays of numbers, in C order and the machine's byte order, into
    which nobody writes again for as long as anything refers to them, weights float64, finite and not below 0: it is
    neither checked nor copied."""

    @abstractmethod
    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        """The batches `(x, y)` or `(x, y, weights)` of an epoch (counted from 1), the same for the same epoch.

        Raises
        ------
        DataError
            where the data cannot be read, or the batches do not fit them.
        """

    def interrupt(self) -> None:  # noqa: B027 - most sources don't wait for long
        """Ask a draw that waits to give up, and end its batches. The one method that another thread calls."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Release files and threads."""


@dataclass(frozen=True, repr=False)
class Provider(Written, ABC):
    """A small picklable description of data. `open` loads them, where the sentinel runs.

    A subclass is a frozen dataclass (`@dataclass(frozen=True, repr=False)`) that overrides `open`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from akkordeon_dask import data
    >>> @dataclass(frozen=True, repr=False)
    ... class Parity(data.Provider):
    ...     samples: int
    ...
    ...     def open(self):
    ...         bits = np.random.default_rng(0).integers(0, 2, (self.samples, 8), np.uint8)
    ...         return data.arrays(bits, bits.sum(axis=1) % 2).open()
    >>> x, y = next(Parity(1000).open().batches(1, 100))
    >>> x.shape, y.shape
    ((100, 8), (100,))
    """

    namespace: ClassVar[str] = "data."

    @abstractmethod
    def open(self) -> Source:
        """Load the data.

        Raises
        ------
        DataError
            where they cannot be had: names the file and the remedy.
        """
