"""Batch normalisation of the channels of images."""

from dataclasses import dataclass

from akkordeon_dask.nn._batch_norm import BatchNorm
from akkordeon_dask.nn._layer import Shape

__all__ = ["BatchNorm2d"]


@dataclass(frozen=True, repr=False)
class BatchNorm2d(BatchNorm):
    """`y = (x - mean) / sqrt(var + eps) * w + b`, each channel by its mean and variance over batch, height and width.

    Ioffe, Szegedy, 'Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift', arXiv 1502.03167, 2015 (section 3.2).

    `nn.BatchNorm1d` documents the other parameters, the running statistics, and how batches in flight and several
    sentinels move them.

    Parameters
    ----------
    channels
        number of channels of a sample.

    Shapes
    ------
    x, y : (batch, channels, height, width) float; w, b, statistics.mean, statistics.var : (channels,)
    """

    channels: int
    momentum: float = 0.9
    eps: float = 1e-5

    @property
    def input_shape(self) -> Shape | None:
        return self.channels, None, None
