"""Batch normalisation of the channels of images."""

import math
from dataclasses import dataclass

from akkordeon_dask.nn._batch_norm import BatchNorm
from akkordeon_dask.nn._layer import Shape
from akkordeon_dask.nn._normalisation import OPERATIONS
from akkordeon_dask.nn._shapes import is_full

__all__ = ["BatchNorm2d"]


@dataclass(frozen=True, repr=False)
class BatchNorm2d(BatchNorm):
    """`y = (x - mean) / sqrt(var + eps) * w + b`, each channel by its mean and variance over batch, height and width.

    Ioffe, Szegedy, 'Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift', arXiv 1502.03167, 2015 (section 3.2).

    What the running statistics are, and how batches and sentinels that are under way at once move them, is
    as for `BatchNorm1d`: a batch in training is normalised by its own statistics alone; the running ones are part of
    a gate's version, moved once by each batch that the gate is updated with, in the order of the updates, and shared by
    all training sentinels; a validation pass reads those of the version that it has pinned. The running mean is kept in
    the parameters' dtype, which large inputs that differ little have to be scaled for, as said there.

    Parameters
    ----------
    channels
        how many there are in a sample.
    momentum
        the share of the running statistics that is kept at an update, in [0, 1). PyTorch's `momentum` is one
        minus this.
    eps
        is added to the variance, above 0.

    Shapes
    ------
    x, y : (batch, channels, height, width) float; w, b, statistics.mean, statistics.var : (channels,)
    """

    channels: int
    momentum: float = 0.9
    eps: float = 1e-5

    @property
    def _channels(self) -> int:
        return self.channels

    @property
    def input_shape(self) -> Shape | None:
        return self.channels, None, None

    def multiply_adds(self, shape: Shape | None) -> int:
        return OPERATIONS * math.prod(shape) if is_full(shape) else 0
