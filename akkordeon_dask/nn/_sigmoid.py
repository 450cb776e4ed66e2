"""The logistic function."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.tree import Array

__all__ = ["Sigmoid", "sigmoid"]


@dataclass(frozen=True, repr=False)
class Sigmoid(Function):
    """`y = 1 / (1 + exp(-x))`, without overflow for any `x`.

    Shapes
    ------
    x, y : (batch, ...) float

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Sigmoid().forward((), np.array([[0.0, 1000.0]]))[0]
    array([[0.5, 1. ]])
    """

    keeps_output: ClassVar[bool] = True

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        y = sigmoid(x)
        return y, y

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        y = context
        dx = np.subtract(1, y, out=empty_like(y))
        dx *= y
        dx *= dy
        return dx


def sigmoid(x: Array) -> Array:
    """A new array: `1 / (1 + z)` from 0 on and `z / (1 + z)` below, with `z = exp(-|x|)`, which is never above 1."""
    z = np.absolute(x, out=empty_like(x))
    np.negative(z, out=z)
    np.exp(z, out=z)
    y = empty_like(x)
    np.copyto(y, x >= 0)
    np.maximum(y, z, out=y)
    z += 1
    y /= z
    return y
