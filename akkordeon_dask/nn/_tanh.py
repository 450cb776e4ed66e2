"""The hyperbolic tangent."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.tree import Array

__all__ = ["Tanh"]


@dataclass(frozen=True, repr=False)
class Tanh(Function):
    """`y = tanh(x)`.

    Shapes
    ------
    x, y : (batch, ...) float

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Tanh().forward((), np.array([[0.0, 1000.0]]))[0]
    array([[0., 1.]])
    """

    keeps_output: ClassVar[bool] = True

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        y = np.tanh(x, out=x if own else empty_like(x))
        return y, y

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        y = context
        dx = np.multiply(y, y, out=empty_like(y))
        np.subtract(1, dx, out=dx)
        dx *= dy
        return dx
