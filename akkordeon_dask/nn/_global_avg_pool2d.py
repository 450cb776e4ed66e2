"""The mean of each channel."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask.memory import empty
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context, Shape
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._windows import image_shape
from akkordeon_dask.tree import Array

__all__ = ["GlobalAvgPool2d"]


@dataclass(frozen=True, repr=False)
class GlobalAvgPool2d(Function):
    """The mean of each channel: images of any size become vectors.

    Lin, Chen, Yan, 'Network In Network', arXiv 1312.4400, 2013.

    Shapes
    ------
    x : (batch, channels, rows, columns) float; y : (batch, channels)

    Raises
    ------
    ShapeError
        by `output_shape`, when samples are no images.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.GlobalAvgPool2d().output_shape((6, 28, 28))
    (6,)
    """

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        batch, channels, rows, columns = x.shape
        y = np.ascontiguousarray(widened(x)).reshape(batch, channels, rows * columns).sum(axis=2)
        y *= 1 / (rows * columns)
        return y.astype(x.dtype, copy=False), x.shape

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        rows, columns = context[2:]
        dx = empty(context, dy.dtype)
        np.multiply(dy[:, :, np.newaxis, np.newaxis], dy.dtype.type(1 / (rows * columns)), out=dx)
        return dx

    def output_shape(self, shape: Shape | None) -> Shape | None:
        return None if shape is None else image_shape(self, shape)[:1]
