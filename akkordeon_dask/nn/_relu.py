"""The rectifier."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer
from akkordeon_dask.tree import Array, Tree

__all__ = ["ReLU"]


@dataclass(frozen=True, repr=False)
class ReLU(Layer):
    """`y = max(x, 0)`.

    Shapes
    ------
    x, y : (batch, ...) float
    """

    keeps_output: ClassVar[bool] = True

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        y = np.maximum(x, _zeros(x.shape, x.dtype), out=x if own else empty_like(x))
        return y, y

    def backward(
        self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        if not need_dx:
            return None, {}
        return np.multiply(dy, context > 0, out=dy if own else empty_like(dy)), {}


@lru_cache(maxsize=16)
def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Shared zeros: numpy's `maximum` of two arrays is up to three times as fast as that of an array and a number."""
    zeros = np.zeros(shape, dtype)
    zeros.flags.writeable = False
    return zeros
