"""Scores as probabilities."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._notation import shape_text
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer, Shape
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
        y = np.subtract(x, x.max(axis=-1, keepdims=True), out=x if own else empty_like(x))
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        return y, y

    def backward(
        self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        if not need_dx:
            return None, {}
        y = context
        mean = np.einsum("...c,...c->...", dy, y)[..., np.newaxis]
        dx = np.subtract(dy, mean, out=dy if own else empty_like(dy))
        dx *= y
        return dx, {}

    @property
    def keeps_shape(self) -> bool:
        return True

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if shape is not None and (not shape or shape[-1] == 0):
            takes = "samples of one score or more along their last axis"
            raise ShapeError(f"{self!r} takes {takes}, not of shape {shape_text(shape)}")
        return shape
