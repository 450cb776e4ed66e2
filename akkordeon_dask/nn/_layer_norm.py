"""Layer normalisation."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import check_int, keep_number
from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._column_sums import column_sums
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Shape
from akkordeon_dask.nn._normalisation import OPERATIONS, column_products, output_for, parts, row_products
from akkordeon_dask.nn._split_layer import SplitLayer
from akkordeon_dask.tree import Array, Tree

__all__ = ["LayerNorm"]


class _Context(NamedTuple):
    w: Array
    normalised: Array
    """`(batch, numbers of a sample)`"""
    inverse: Array
    """`(batch, 1)`: `1 / sqrt(var + eps)`."""


@dataclass(frozen=True, repr=False)
class LayerNorm(SplitLayer):
    """`y = (x - mean) / sqrt(var + eps) * w + b`, each sample by its own mean and (biased) variance.

    Ba, Kiros, Hinton, 'Layer Normalization', arXiv 1607.06450, 2016. A sample does not depend on those beside it,
    and nothing is observed: training and inference are the same.

    Parameters
    ----------
    features
        a sample's shape, over the whole of which it is normalised; a number `n` stands for `(n,)`. Each size is at
        least 1.
    eps
        is added to the variance, above 0.

    Shapes
    ------
    x, y : (batch, ...) float, each sample of shape `features`; w, b : `features`

    Raises
    ------
    SpecError
        when a parameter is out of its range.
    ShapeError
        by `output_shape`, for samples of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> layer = nn.LayerNorm(2)
    >>> layer.forward(layer.init(np.random.default_rng(0)), np.array([[1.0, 3.0], [10.0, 50.0]]))[0].round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    draws: ClassVar[bool] = False

    features: int | tuple[int, ...]
    eps: float = 1e-5

    def __post_init__(self) -> None:
        shape = self.features if isinstance(self.features, tuple | list) else (self.features,)
        if not shape:
            raise SpecError(f"{self!r}: features are a sample's shape, e.g. (3, 28, 28), not {self.features!r}")
        sizes = tuple(check_int(f"{self!r}: a size", size, 1) for size in shape)
        object.__setattr__(self, "features", sizes if isinstance(self.features, tuple | list) else sizes[0])
        keep_number(self, "eps", above=0)

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.features if isinstance(self.features, tuple) else (self.features,)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        return {"w": np.ones(self._shape, dtype), "b": np.zeros(self._shape, dtype)}

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        w, b = params["w"].reshape(-1), params["b"].reshape(-1)
        rows = x.reshape(len(x), len(w))
        normalised = output_for(rows, w.dtype, own)
        inverse = np.empty((len(x), 1), w.dtype)
        y = empty(rows.shape, w.dtype)
        for part in parts(y):
            block = np.subtract(rows[part], _row_means(rows[part]), out=normalised[part])
            # Once more, since a large mean was rounded.
            block -= _row_means(block)
            var = row_products(block, block) / len(w)
            np.divide(1, np.sqrt(var + self.eps), out=inverse[part])
            block *= inverse[part]
            block = np.multiply(block, w, out=y[part])
            block += b
        return y.reshape(x.shape), _Context(params["w"], normalised, inverse)

    def input_gradient(self, context: Context, dy: Array, *, own: bool = False) -> Array:
        rows = dy.reshape(context.normalised.shape)
        dx = output_for(rows, context.w.dtype, own)
        _through_statistics(context, rows, dx)
        return dx.reshape(dy.shape)

    def parameter_gradients(self, context: Context, dy: Array) -> Tree:
        w, normalised = context.w, context.normalised
        rows = dy.reshape(normalised.shape)
        dw, db = np.zeros((2, w.size), w.dtype)
        for part in parts(normalised):
            dw += column_products(rows[part], normalised[part])
            db += column_sums(rows[part])
        return {"w": dw.reshape(w.shape), "b": db.reshape(w.shape)}

    def rebind(self, context: Context, params: Tree) -> Context:
        return context._replace(w=params["w"])

    @property
    def input_shape(self) -> Shape | None:
        return self._shape

    def multiply_adds(self, shape: Shape | None) -> int:
        return OPERATIONS * math.prod(self._shape)


def _row_means(rows: Array) -> Array:
    """`(batch, n)` to `(batch, 1)`."""
    sums: Array = rows @ np.ones(rows.shape[1], np.promote_types(rows.dtype, np.float32))
    sums /= rows.shape[1]
    return sums[:, None]


def _through_statistics(context: _Context, dy: Array, dx: Array) -> None:
    """Write `(g - mean(g) - x_normalised * mean(g * x_normalised)) / deviation` with `g = dy * w` into `dx`."""
    w = context.w.reshape(-1)
    buffer: Array | None = None
    for part in parts(dx):
        normalised = context.normalised[part]
        buffer = empty(normalised.shape, dx.dtype) if buffer is None else buffer[: len(normalised)]
        block = np.multiply(dy[part], w, out=dx[part])
        slope = np.vecdot(block, normalised)[:, None] / len(w)
        block -= _row_means(block)
        block -= np.multiply(normalised, slope, out=buffer)
        block *= context.inverse[part]
