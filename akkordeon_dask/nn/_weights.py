"""Means over a batch whose samples have weights."""

import numpy as np

from akkordeon_dask.nn._loss import Loss, check_weights
from akkordeon_dask.tree import Array

__all__ = ["column_and_size", "weighted_mean"]


def column_and_size(loss: Loss, weights: Array | None, y: Array) -> tuple[Array | None, float]:
    """The weights in the shape of outputs, (batch, 1, ...) float64, and the sum of the weights of all outputs.

    The sum is 1 where it would be 0: a divisor of numbers that are all 0.
    """
    if weights is None:
        return None, y.size
    check_weights(loss, weights, y)
    column = weights.astype(np.float64).reshape(-1, *[1] * (y.ndim - 1))
    return column, float(weights.sum()) * (y.size // len(y)) or 1.0


def weighted_mean(loss: Loss, each: Array, weights: Array | None) -> tuple[float, float | Array]:
    """The mean of the samples' losses, and the share of each sample in it, one number where all are alike."""
    if weights is None:
        # Reduced by the ufunc itself: `mean` goes through Python for longer than numpy adds.
        return float(np.add.reduce(each) / len(each)), 1 / len(each)
    column, size = column_and_size(loss, weights, each)
    assert column is not None
    return float(np.dot(column, each)) / size, column / size
