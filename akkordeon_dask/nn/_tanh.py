"""The hyperbolic tangent."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer
from akkordeon_dask.tree import Array, Tree

__all__ = ["Tanh"]


@dataclass(frozen=True, repr=False)
class Tanh(Layer):
    """`y = tanh(x)`.

    Shapes
    ------
    x, y : (batch, ...) float
    """

    keeps_output: ClassVar[bool] = True

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        y = np.tanh(x, out=x if own else empty_like(x))
        return y, y

    def backward(
        self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        if not need_dx:
            return None, {}
        y = context
        dx = np.multiply(y, y, out=empty_like(y))
        np.subtract(1, dx, out=dx)
        dx *= dy
        return dx, {}
