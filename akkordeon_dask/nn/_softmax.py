"""Scores as probabilities."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer, Shape
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.tree import Array, Tree

__all__ = ["Softmax"]


@dataclass(frozen=True, repr=False)
class Softmax(Layer):
    """`y = exp(x) / sum(exp(x))` along the last axis of a sample; overflows for no input.

    Not in front of `nn.SoftmaxCrossEntropy`, which takes the scores themselves.

    Shapes
    ------
    x, y : (batch, ..., classes) float
    """

    keeps_output: ClassVar[bool] = True

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        self.output_shape(x.shape[1:])
        wide = widened(x)
        with np.errstate(over="ignore"):  # of what is further below the greatest than any number, exp is 0 as well
            y = np.subtract(wide, wide.max(axis=-1, keepdims=True), out=wide if own else empty_like(wide))
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        y = y.astype(x.dtype, copy=False)
        return y, y

    def backward(
        self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        if not need_dx:
            return None, {}
        y, wide = context, widened(dy)
        mean = np.einsum("...c,...c->...", wide, y)[..., np.newaxis]
        dx = np.subtract(wide, mean, out=wide if own else empty_like(wide))
        dx *= y
        return dx.astype(dy.dtype, copy=False), {}

    @property
    def keeps_shape(self) -> bool:
        return True

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if shape is not None and (not shape or shape[-1] == 0):
            takes = "samples of one score or more along their last axis"
            raise ShapeError(f"{self!r} takes {takes}, not of shape {shape_text(shape)}")
        return shape
