"""Scores of classifiers."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import keep_int
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn._loss import Score
from akkordeon_dask.nn._targets import check_labels
from akkordeon_dask.tree import Array

__all__ = ["Accuracy", "TopK"]


@dataclass(frozen=True, repr=False)
class Accuracy(Score):
    """The share of samples whose greatest output is the labelled one.

    Shapes
    ------
    y : (batch, classes) float; target : (batch,) integer
    """

    @property
    def name(self) -> str:
        return "accuracy"

    def __call__(self, y: Array, target: Array) -> float:
        check_labels(target, y)
        return float(np.count_nonzero(y.argmax(axis=1) == target)) / len(y)


@dataclass(frozen=True, repr=False)
class TopK(Score):
    """The share of samples whose labelled output is among the `k` greatest; of equal outputs the first counts more.

    Parameters
    ----------
    k
        at least 1, and no more than there are outputs.

    Shapes
    ------
    y : (batch, classes) float; target : (batch,) integer
    """

    k: int

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or self.k < 1:
            raise SpecError(f"{self!r}: k is a whole number of at least 1, not {self.k!r}")

    @property
    def name(self) -> str:
        return f"top{self.k}"

    def __call__(self, y: Array, target: Array) -> float:
        check_labels(target, y)
        classes = y.shape[1]
        if self.k > classes:
            raise ShapeError(f"{self!r} takes at least {self.k} outputs, not {classes}: choose a smaller k")
        labels = target[:, np.newaxis]
        picked = np.take_along_axis(y, labels, axis=1)
        # Not `y > picked`: an output that is NaN has to count against the sample.
        ahead = ~(y <= picked) | ((y == picked) & (np.arange(classes) < labels))
        return float(np.mean(ahead.sum(axis=1) < self.k))
