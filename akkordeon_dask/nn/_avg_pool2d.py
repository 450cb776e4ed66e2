"""The mean of each window."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask.nn._layer import Context
from akkordeon_dask.nn._padding import padded, unpadded
from akkordeon_dask.nn._pool2d import AxisWindow, Pool2d
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._windows import pair
from akkordeon_dask.tree import Array

__all__ = ["AvgPool2d"]


@dataclass(frozen=True, repr=False)
class AvgPool2d(Pool2d):
    """The mean of a window, channel by channel; padding counts as zeros.

    Parameters
    ----------
    kernel_size
        the window, in pixels, at least 1: a number, or a pair for rows and columns.
    stride
        pixels from one position of the window to the next, at least 1; None: the window's size, so that windows tile
        the image.
    padding
        pixels on all four sides, at most half of the window; or as for `nn.Conv2d`.

    Shapes
    ------
    x : (batch, channels, rows, columns) float; y : (batch, channels, rows_out, columns_out);
    rows_out = (rows + before + behind - kernel_size) // stride + 1, and columns likewise

    Raises
    ------
    SpecError
        when a size is below 1, or the padding more than half of the window.
    ShapeError
        by `output_shape`, when samples are no images, or smaller than the window.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.AvgPool2d(2).output_shape((6, 28, 28))
    (6, 14, 14)
    """

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        around = self._margins(x.shape[1:])
        y, extents = padded(widened(x), around, 0), []
        for window in self._axes(x.shape[1:]):
            extents.append((window, y.shape[window.axis]))
            y = _total(y, window)
        y *= self._share()
        return y.astype(x.dtype, copy=False), (around, extents)

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        (around, extents), dtype, dy = context, dy.dtype, widened(dy)
        dy = dy * dy.dtype.type(self._share())
        for window, extent in reversed(extents):
            dx = window.spread(dy, extent)
            for part in window.views(dx):
                if window.overlaps:
                    np.add(part, dy, out=part)
                else:
                    np.copyto(part, dy)
            dy = dx
        return unpadded(dy, around).astype(dtype, copy=False)

    def _share(self) -> float:
        rows, columns = pair(self.kernel_size)
        return 1 / (rows * columns)


def _total(x: Array, window: AxisWindow) -> Array:
    first, *others = window.views(x)
    y = window.pooled(x)
    np.copyto(y, first)
    for other in others:
        y += other
    return y
