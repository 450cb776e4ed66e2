"""The cross entropy, as a score."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.nn._binary_cross_entropy import BinaryCrossEntropyWithLogits
from akkordeon_dask.nn._cross_entropy import SoftmaxCrossEntropy
from akkordeon_dask.nn._loss import Loss, Score, ScoreState
from akkordeon_dask.tree import Array

__all__ = ["LogLoss"]


@dataclass(frozen=True, repr=False)
class LogLoss(Score):
    """The cross entropy, as scikit-learn's `log_loss` of the probabilities that the logits mean: lower is better.

    A score beside a loss that is another one, or a smoothed one; computed in float64.

    Shapes
    ------
    y : (batch, classes) float, the logits, target : (batch,) integer or bool; or y : (batch, ...) float, the logits of
    yes, and target : the shape of y, numbers in [0, 1] or bool

    Raises
    ------
    DataError
        by a call or `update`, when the targets do not fit the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> round(nn.LogLoss()(np.array([[0.0, 0.0]]), np.array([1])), 3)
    0.693
    """

    greater_is_better: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return "log_loss"

    def __call__(self, y: Array, target: Array) -> float:
        return _loss(y, target)(y.astype(np.float64), target, need_dy=False)[0]

    def _weighted(self, y: Array, target: Array, weights: Array) -> ScoreState:
        mean, _ = _loss(y, target)(y.astype(np.float64), target, need_dy=False, weights=weights)
        total = float(weights.sum())
        return mean * total, total


def _loss(y: Array, target: Array) -> Loss:
    return SoftmaxCrossEntropy() if target.ndim == 1 and y.ndim == 2 else BinaryCrossEntropyWithLogits()
