"""Scores as probabilities."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context, Shape
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.tree import Array

__all__ = ["Softmax"]


@dataclass(frozen=True, repr=False)
class Softmax(Function):
    """`y = exp(x) / sum(exp(x))` along the last axis of a sample; overflows for no input.

    Not in front of `nn.SoftmaxCrossEntropy`, which takes the scores themselves.

    Shapes
    ------
    x, y : (batch, ..., classes) float

    Raises
    ------
    ShapeError
        by `output_shape`, when a sample has no axis, or no numbers along its last one.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Softmax().forward((), np.array([[1.0, 1.0]]))[0]
    array([[0.5, 0.5]])
    """

    keeps_output: ClassVar[bool] = True

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        self.output_shape(x.shape[1:])
        wide = widened(x)
        with np.errstate(over="ignore"):  # the difference to the greatest may overflow: its exp is 0 as well
            y = np.subtract(wide, wide.max(axis=-1, keepdims=True), out=wide if own else empty_like(wide))
        np.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        y = y.astype(x.dtype, copy=False)
        return y, y

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        y, wide = context, widened(dy)
        mean = np.einsum("...c,...c->...", wide, y)[..., np.newaxis]
        dx: Array = np.subtract(wide, mean, out=wide if own else empty_like(wide))
        dx *= y
        return dx.astype(dy.dtype, copy=False)

    @property
    def keeps_shape(self) -> bool:
        return True

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if shape is not None and (not shape or shape[-1] == 0):
            takes = "samples of one score or more along their last axis"
            raise ShapeError(f"{self!r} takes {takes}, not of shape {shape_text(shape)}")
        return shape
