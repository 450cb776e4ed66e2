"""Arrays in memory as a provider."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from akkordeon_dask.data._array_source import ArraySource
from akkordeon_dask.data._numbers import as_numbers, equal
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.data._selected import Selected
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["Arrays", "arrays"]


def arrays(
    x: ArrayLike,
    y: ArrayLike | None,
    *,
    shuffle: bool = True,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """A provider over arrays in memory.

    The arrays are not copied and travel with the provider to the worker of its sentinel: do not
    write into them afterwards, and slice large ones before rather than with `take`.

    Parameters
    ----------
    x : (samples, ...), any real number dtype
        the inputs: an array, a frame or column of numbers (rows count by position, an index is ignored), a tensor.
    y : (samples, ...), any real number dtype
        the labels, or None where there are none (prediction): each batch is then `(x, None)`.
    shuffle, seed
        draw a new order in each epoch, a pure function of (seed, epoch).
    take
        only the first `take` samples.
    shard
        `(i, n)`: the i-th (from 0) of n disjoint shards of those, every n-th sample.

    Raises
    ------
    DataError
        no samples, not real numbers, values that are masked or missing, lengths that differ, a `take` or `shard` out
        of range.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import data
    >>> data.arrays(np.zeros((60, 4), np.uint8), np.zeros(60, np.int64), take=10)
    data.arrays(<(60, 4) uint8>, <(60,) int64>, take=10)
    """
    labels = None if y is None else as_numbers("y", y)
    return Arrays(as_numbers("x", x), labels, shuffle=shuffle, seed=seed, take=take, shard=shard)


@dataclass(frozen=True, repr=False, eq=False)
class Arrays(Selected):
    """The provider that `data.arrays` returns. Equal when everything in it is equal, the arrays by content."""

    x: Array
    y: Array | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.y is not None and len(self.x) != len(self.y):
            raise DataError(
                f"{self!r}: x has {len(self.x)} samples, y has {len(self.y)}: give one row of y for each row of x"
            )
        self.rows(len(self.x))

    def open(self) -> Source:
        return ArraySource(self, self.x, self.y)

    def _call(self) -> tuple[str, list[str]]:
        return "arrays", [_said(self.x), "None" if self.y is None else _said(self.y)]

    def _facts(self) -> tuple[Any, ...]:
        kinds = tuple(None if a is None else (a.shape, a.dtype) for a in (self.x, self.y))
        return (*kinds, self.shuffle, self.seed, self.take, self.shard)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arrays):
            return NotImplemented
        return self._facts() == other._facts() and equal((self.x, self.y), (other.x, other.y))

    def __hash__(self) -> int:
        return hash(self._facts())


def _said(array: Array) -> str:
    return f"<{array.shape} {array.dtype}>"
