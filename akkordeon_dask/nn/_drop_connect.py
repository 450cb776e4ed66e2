"""Dropout of connections."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.nn._affine import Affine
from akkordeon_dask.nn._initializers import HeNormal, Initializer
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.nn._linear import Linear
from akkordeon_dask.nn._masks import draw_mask, need_key
from akkordeon_dask.tree import Array, Tree

__all__ = ["DropConnect"]


class _Context(NamedTuple):
    inner: Context
    masks: Tree | None


@dataclass(frozen=True, repr=False)
class DropConnect(Affine):
    """An affine layer, `y = x @ w + b`, that loses weights in training, each with probability `rate`.

    Wan, Zeiler, Zhang, LeCun, Fergus, 'Regularization of Neural Networks using DropConnect', ICML 2013.
    As there, biases are dropped like weights. Three deviations: one mask for a batch, where the paper draws
    one for each example; the weights that stay are scaled up by `1 / (1 - rate)` in training; and inference
    uses the mean weights, where the paper samples from a Gaussian fitted to the units' inputs.

    Parameters
    ----------
    in_features, out_features
        sizes of a sample in front and behind, at least 1.
    rate
        the share of weights that is dropped, in [0, 1). Rounded to a multiple of 1/65536.
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
        when a parameter is out of its range; by `forward`, when it trains without a key.
    ShapeError
        by `output_shape`, for samples of another shape.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.DropConnect(4, 3, rate=0.5).output_shape((4,))
    (3,)
    """

    in_features: int
    out_features: int
    rate: float
    bias: bool = True
    initializer: Initializer = HeNormal()

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "rate", least=0, below=1)

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        masks = self._draw(params, need_key(self, key)) if train and self.rate > 0 else None
        y, inner = self._affine.forward(_masked(params, masks), x)
        return y, _Context(inner, masks)

    def input_gradient(self, context: Context, dy: Array, *, own: bool = False) -> Array:
        return self._affine.input_gradient(context.inner, dy)

    def parameter_gradients(self, context: Context, dy: Array) -> Tree:
        return _masked(self._affine.parameter_gradients(context.inner, dy), context.masks)

    def rebind(self, context: Context, params: Tree) -> Context:
        inner = self._affine.rebind(context.inner, _masked(params, context.masks))
        return _Context(inner, context.masks)

    @property
    def _affine(self) -> Linear:
        return Linear(self.in_features, self.out_features, self.bias)

    def _draw(self, params: Tree, key: Key) -> Tree:
        generator = key.generator()
        return {name: draw_mask(generator, value.shape, self.rate, value.dtype) for name, value in params.items()}


def _masked(tree: Tree, masks: Tree | None) -> Tree:
    if masks is None:
        return tree
    return {name: np.multiply(value, masks[name], out=empty_like(value)) for name, value in tree.items()}
