"""Scores of classifiers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_int
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.nn._loss import Score, ScoreState, Targets
from akkordeon_dask.nn._targets import check_labels, check_values, predicted_labels
from akkordeon_dask.tree import Array

__all__ = ["Accuracy", "BinaryAccuracy", "TopK"]


@dataclass(frozen=True, repr=False)
class Accuracy(Score):
    """The share of samples whose greatest output is the labelled one, from 0 to 1.

    Shapes
    ------
    y : (batch, classes) float; target : (batch,) integer or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Accuracy()(np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]), np.array([0, 1]))
    0.5
    """

    targets: ClassVar[Targets | None] = "labels"

    @property
    def name(self) -> str:
        return "accuracy"

    def __call__(self, y: Array, target: Array) -> float:
        labels = check_labels(self, target, y)
        return float(np.count_nonzero(predicted_labels(y) == labels)) / len(y)

    def _weighted(self, y: Array, target: Array, weights: Array) -> ScoreState:
        right = predicted_labels(y) == check_labels(self, target, y)
        return float(weights[right].sum()), float(weights.sum())


@dataclass(frozen=True, repr=False)
class BinaryAccuracy(Score):
    """The share of yes-or-no outputs that are right, from 0 to 1: a logit above 0 says yes, a target above 0.5.

    Where a sample has several outputs each of them counts, as in `nn.BinaryCrossEntropyWithLogits`.

    Shapes
    ------
    y : (batch, ...) float, the logits; target : the shape of y, numbers in [0, 1] or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.BinaryAccuracy()(np.array([[1.0], [-1.0]]), np.array([[1.0], [1.0]]))
    0.5
    """

    targets: ClassVar[Targets | None] = "values"

    @property
    def name(self) -> str:
        return "binary_accuracy"

    def __call__(self, y: Array, target: Array) -> float:
        check_values(self, target, y)
        return float(np.mean(_right(y, target)))

    def _weighted(self, y: Array, target: Array, weights: Array) -> ScoreState:
        check_values(self, target, y)
        of_samples = _right(y, target).reshape(len(y), -1).mean(axis=1)
        return float(np.dot(weights, of_samples)), float(weights.sum())


def _right(y: Array, target: Array) -> Array:
    # Not `(y > 0) == yes`: an output that is NaN has to count against the sample.
    return np.where(target > 0.5, y > 0, y <= 0)


@dataclass(frozen=True, repr=False)
class TopK(Score):
    """The share of samples whose labelled output is among the `k` greatest; of equal outputs the first counts more.

    Parameters
    ----------
    k
        at least 1, and no more than there are outputs.

    Shapes
    ------
    y : (batch, classes) float; target : (batch,) integer or bool

    Raises
    ------
    SpecError
        when `k` is out of its range.
    ShapeError
        by a call or `update`, when there are fewer than `k` outputs.
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.TopK(2)(np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]), np.array([0, 1]))
    1.0
    """

    targets: ClassVar[Targets | None] = "labels"

    k: int

    def __post_init__(self) -> None:
        keep_int(self, "k", 1)

    @property
    def name(self) -> str:
        return f"top{self.k}"

    def __call__(self, y: Array, target: Array) -> float:
        return float(np.mean(self._found(y, target)))

    def _weighted(self, y: Array, target: Array, weights: Array) -> ScoreState:
        return float(weights[self._found(y, target)].sum()), float(weights.sum())

    def _found(self, y: Array, target: Array) -> Array:
        labels = check_labels(self, target, y)[:, np.newaxis]
        classes = y.shape[1]
        if self.k > classes:
            raise ShapeError(f"{self!r} takes at least {self.k} outputs, not {classes}: choose a smaller k")
        picked = np.take_along_axis(y, labels, axis=1)
        # Not `y > picked`: an output that is NaN has to count against the sample.
        ahead = ~(y <= picked) | ((y == picked) & (np.arange(classes) < labels))
        found: Array = ahead.sum(axis=1) < self.k
        return found
