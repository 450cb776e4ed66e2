"""The affine layer."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from akkordeon_dask.memory import empty
from akkordeon_dask.nn._affine import Affine
from akkordeon_dask.nn._column_sums import column_sums
from akkordeon_dask.nn._initializers import HeNormal, Initializer
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.tree import Array, Tree

__all__ = ["Linear", "LinearContext"]


class LinearContext(NamedTuple):
    params: Tree
    x: Array


@dataclass(frozen=True, repr=False)
class Linear(Affine):
    """`y = x @ w + b`.

    Parameters
    ----------
    in_features, out_features
        sizes of a sample in front and behind, at least 1.
    bias
        add `b`.
    initializer
        how `w` begins; `b` begins at zero.

    Shapes
    ------
    x : (batch, in_features) float; y : (batch, out_features);
    w : (in_features, out_features); b : (out_features,)

    Raises
    ------
    SpecError
        when a parameter is out of its range.
    ShapeError
        by `output_shape`, for samples of another shape.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.Linear(4, 3).output_shape((4,))
    (3,)
    """

    draws: ClassVar[bool] = False

    in_features: int
    out_features: int
    bias: bool = True
    initializer: Initializer = HeNormal()

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        w = params["w"]
        x = np.asarray(x, w.dtype)  # numpy would compute in the wider of two precisions: slower, and to other bits
        y = np.matmul(x, w, out=empty((len(x), self.out_features), w.dtype))
        if self.bias:
            y += params["b"]
        return y, LinearContext(params, x)

    def input_gradient(self, context: Context, dy: Array, *, own: bool = False) -> Array:
        w = context.params["w"]
        dx: Array = np.matmul(dy, w.T, out=empty(context.x.shape, w.dtype))
        return dx

    def parameter_gradients(self, context: Context, dy: Array) -> Tree:
        w = context.params["w"]
        grads = {"w": np.matmul(context.x.T, dy, out=empty(w.shape, w.dtype))}
        if self.bias:
            grads["b"] = column_sums(dy)
        return grads

    def rebind(self, context: Context, params: Tree) -> Context:
        return LinearContext(params, context.x)
