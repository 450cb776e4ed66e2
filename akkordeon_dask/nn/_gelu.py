"""The Gaussian error linear unit."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.tree import Array

__all__ = ["GELU"]

_OUTER = math.sqrt(2 / math.pi)
_CUBIC = 0.044715


_FLAT = 10.0
"""Beyond it t is 1 or -1 to the last bit of float64, while `x * x` and `x**3` could overflow."""


class _Context(NamedTuple):
    x: Array
    """No further from 0 than `_FLAT`."""
    t: Array


@dataclass(frozen=True, repr=False)
class GELU(Function):
    """`y = x / 2 * (1 + t)` with `t = tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))`.

    Hendrycks, Gimpel, 'Gaussian Error Linear Units (GELUs)', arXiv 1606.08415, 2016. This is the paper's
    approximation by tanh, within 0.0005 of the exact form `x * Phi(x)`.

    Shapes
    ------
    x, y : (batch, ...) float

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.GELU().forward((), np.array([[-1.0, 0.0, 1.0]]))[0].round(3)
    array([[-0.159,  0.   ,  0.841]])
    """

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        wide = widened(x)
        near = np.clip(wide, -_FLAT, _FLAT, out=empty_like(wide))
        t = np.multiply(near, near, out=empty_like(wide))
        t *= _CUBIC
        t += 1
        t *= near
        t *= _OUTER
        np.tanh(t, out=t)
        y = np.add(t, 1, out=empty_like(wide))
        y *= 0.5
        y *= wide
        return y.astype(x.dtype, copy=False), _Context(near, t)

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        x, t = context
        # dy/dx = (1 + t + x * (1 - t**2) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2)) / 2
        dx: Array = np.multiply(x, x, out=empty_like(x))
        dx *= 3 * _CUBIC
        dx += 1
        dx *= x
        dx *= _OUTER
        dt = np.multiply(t, t, out=empty_like(t))
        np.subtract(1, dt, out=dt)
        dx *= dt
        dx += t
        dx += 1
        dx *= 0.5
        dx *= dy
        return dx.astype(dy.dtype, copy=False)
