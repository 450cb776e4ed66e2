"""Arrays in memory as a provider."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from akkordeon_dask._numbers import check_flag
from akkordeon_dask.data._array_source import ArraySource
from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.data._numbers import as_numbers, as_weights, check_some_weight, equal
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.data._sampling import drawn_order, stratified_order
from akkordeon_dask.data._selected import Selected
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["Arrays", "arrays"]


def arrays(
    x: ArrayLike,
    y: ArrayLike | None,
    weights: ArrayLike | None = None,
    *,
    shuffle: bool = True,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
    stratify: bool = False,
    probabilities: ArrayLike | None = None,
    drop_last: bool = False,
) -> Provider:
    """A provider over arrays in memory.

    The arrays are not copied and travel with the provider to the worker of its sentinel: do not
    write into them afterwards, and slice large ones before rather than with `take`.

    Parameters
    ----------
    x : (samples, ...), any real number dtype
        the inputs: an array, a frame or column of numbers (rows count by position, an index is ignored), a tensor. All
        frames of a network have the same columns in the same order.
    y : (samples, ...), any real number dtype
        the labels, or None where there are none (prediction): each batch is then `(x, None)`.
    weights : (samples,), real numbers of at least 0
        a sample of weight 2 counts in losses and scores as two equal ones do; one of weight 0 does not count.
    shuffle, seed
        draw a new order in each epoch, a pure function of (seed, epoch).
    take
        only the first `take` samples.
    shard
        `(i, n)`: the i-th (from 0) of n disjoint shards of those, every n-th sample.
    stratify
        shuffle so that each batch has its share of each label, give or take a few samples: one of a rare label.
    probabilities : (samples,), real numbers of at least 0
        an epoch draws as many samples as there are, with replacement, each in proportion to its number: a rare class
        may come as often as the others. Losses and scores count each draw; an epoch no longer has each sample once.
    drop_last
        leave out the last batch of an epoch where it has fewer samples than `batch_size`.

    Raises
    ------
    DataError
        no samples, not real numbers, values that are masked or missing, lengths that differ, a `take` or `shard` out
        of range; `stratify` or `probabilities` without `shuffle`, both of them, or `stratify` without labels.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import data
    >>> data.arrays(np.zeros((60, 4), np.uint8), np.zeros(60, np.int64), take=10)
    data.arrays(<(60, 4) uint8>, <(60,) int64>, take=10)
    """
    samples, labels = as_numbers("x", x), None if y is None else as_numbers("y", y)
    its = None if weights is None else as_weights("weights", weights, len(samples))
    chances = None if probabilities is None else as_weights("probabilities", probabilities, len(samples))
    columns = ColumnNames.of(x, y)
    return Arrays(
        samples, labels, its, chances, stratify, drop_last, columns, shuffle=shuffle, seed=seed, take=take, shard=shard
    )


@dataclass(frozen=True, repr=False, eq=False)
class Arrays(Selected):
    """The provider that `data.arrays` returns. Equal when everything in it is equal, the arrays by content."""

    x: Array
    y: Array | None
    weights: Array | None = None
    probabilities: Array | None = None
    stratify: bool = False
    drop_last: bool = False
    columns: ColumnNames = ColumnNames()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.y is not None and len(self.x) != len(self.y):
            raise DataError(
                f"{self!r}: x has {len(self.x)} samples, y has {len(self.y)}: give one row of y for each row of x"
            )
        for name in ("stratify", "drop_last"):
            object.__setattr__(self, name, check_flag(name, getattr(self, name), error=DataError))
        self._check_sampling(self.rows(len(self.x)))

    def _check_sampling(self, rows: range) -> None:
        if not self.shuffle and (self.stratify or self.probabilities is not None):
            raise DataError(f"{self!r}: samples in their order are not drawn: leave shuffle=False out")
        if self.stratify and self.probabilities is not None:
            raise DataError(f"{self!r}: give stratify or probabilities, not both")
        if self.stratify and (self.y is None or self.y.ndim != 1 or self.y.dtype.kind not in "iub"):
            raise DataError(f"{self!r}: stratify takes one whole number a sample as label: give such a y")
        for name in ("weights", "probabilities"):
            if (its := getattr(self, name)) is not None:
                check_some_weight(name, its[rows.start : rows.stop : rows.step])

    def open(self) -> Source:
        return ArraySource(self, self.x, self.y, self.weights, drop_last=self.drop_last, columns=self.columns)

    def order(self, rows: range, epoch: int) -> Array:
        if self.stratify:
            assert self.y is not None
            return stratified_order(rows, self.y, self.seed, epoch)
        if self.probabilities is not None:
            return drawn_order(rows, self.probabilities, self.seed, epoch)
        return super().order(rows, epoch)

    def _call(self) -> tuple[str, list[str]]:
        weights = [] if self.weights is None else [f"weights={_said(self.weights)}"]
        chances = [] if self.probabilities is None else [f"probabilities={_said(self.probabilities)}"]
        flags = [f"{name}=True" for name in ("stratify", "drop_last") if getattr(self, name)]
        return "arrays", [_said(self.x), "None" if self.y is None else _said(self.y), *weights, *chances, *flags]

    @property
    def _arrays(self) -> tuple[Array | None, ...]:
        return self.x, self.y, self.weights, self.probabilities

    def _facts(self) -> tuple[Any, ...]:
        kinds = tuple(None if a is None else (a.shape, a.dtype) for a in self._arrays)
        selection = self.shuffle, self.seed, self.take, self.shard, self.stratify, self.drop_last
        return (*kinds, *selection, self.columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arrays):
            return NotImplemented
        return self._facts() == other._facts() and equal(self._arrays, other._arrays)

    def __hash__(self) -> int:
        return hash(self._facts())


def _said(array: Array) -> str:
    return f"<{array.shape} {array.dtype}>"
