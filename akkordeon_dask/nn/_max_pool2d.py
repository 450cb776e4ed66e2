"""The largest number of each window."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from akkordeon_dask.nn._layer import Context
from akkordeon_dask.nn._padding import padded, unpadded
from akkordeon_dask.nn._pool2d import AxisWindow, Pool2d
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.tree import Array

__all__ = ["MaxPool2d"]


class _Greatest(NamedTuple):
    window: AxisWindow
    extent: int
    which: Array
    """For each position the offset of its largest pixel: the first of equals."""


@dataclass(frozen=True, repr=False)
class MaxPool2d(Pool2d):
    """The largest number in a window, channel by channel. Of equal ones, one gets the gradient.

    Padding is never the largest. Parameters and shapes are those of `nn.AvgPool2d`.

    Raises
    ------
    SpecError
        when a size is below 1, or the padding more than half of the window.
    ShapeError
        by `output_shape`, when samples are no images, or smaller than the window.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.MaxPool2d(2).output_shape((6, 28, 28))
    (6, 14, 14)
    """

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        around = self._margins(x.shape[1:])
        y, kept = padded(x, around, -np.inf), []
        for window in self._axes(x.shape[1:]):
            extent = y.shape[window.axis]
            y, which = _greatest(y, window)
            kept.append(_Greatest(window, extent, which))
        return y, (around, kept)

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        (around, kept), dtype, dy = context, dy.dtype, widened(dy)
        for window, extent, which in reversed(kept):
            dx = window.spread(dy, extent)
            for offset, part in enumerate(window.views(dx)):
                if window.overlaps:
                    np.add(part, dy * (which == offset), out=part)
                else:
                    np.multiply(dy, which == offset, out=part)
            dy = dx
        return unpadded(dy, around).astype(dtype, copy=False)


def _greatest(x: Array, window: AxisWindow) -> tuple[Array, Array]:
    first, *others = window.views(x)
    y, which = window.pooled(x), np.zeros(first.shape, np.min_scalar_type(window.size))
    if not others:
        np.copyto(y, first)
    for offset, other in enumerate(others, 1):
        # A later offset is the greater number: no need for a masked copy, which is five times as slow.
        np.maximum(which, (other > first) * which.dtype.type(offset), out=which)
        first = np.maximum(first, other, out=y)
    return y, which
