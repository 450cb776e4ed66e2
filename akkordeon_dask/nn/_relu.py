"""The rectifier."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.tree import Array

__all__ = ["ReLU"]


@dataclass(frozen=True, repr=False)
class ReLU(Function):
    """`y = max(x, 0)`.

    Shapes
    ------
    x, y : (batch, ...) float

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.ReLU().forward((), np.array([[-2.0, 3.0]]))[0]
    array([[0., 3.]])
    """

    keeps_output: ClassVar[bool] = True

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        y = np.maximum(x, _zeros(x.shape, x.dtype), out=x if own else empty_like(x))
        return y, y

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        # numpy multiplies by a mask of bool at half the speed.
        dx = empty_like(dy)
        np.copyto(dx, context > 0)
        dx *= dy
        return dx


@lru_cache(maxsize=16)
def _zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Shared zeros: numpy's `maximum` of two arrays is up to three times as fast as that of an array and a number."""
    zeros = np.zeros(shape, dtype)
    zeros.flags.writeable = False
    return zeros
