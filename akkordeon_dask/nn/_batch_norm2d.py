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
        number of channels of a sample, at least 1.

    Shapes
    ------
    x, y : (batch, channels, height, width) float; w, b, statistics.mean, statistics.var : (channels,)

    Raises
    ------
    SpecError
        when a parameter is out of its range.
    ShapeError
        by `output_shape`, for samples of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> layer = nn.BatchNorm2d(3)
    >>> params = layer.init(np.random.default_rng(0))
    >>> y, _ = layer.forward(params, np.arange(24.0).reshape(2, 3, 2, 2), train=True)
    >>> y.shape, np.allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    ((2, 3, 2, 2), True)
    """

    channels: int
    momentum: float = 0.9
    eps: float = 1e-5

    @property
    def input_shape(self) -> Shape | None:
        return self.channels, None, None
