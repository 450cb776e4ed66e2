"""A chain with a way around it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from akkordeon_dask._foreign import instead
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import SpecError
from akkordeon_dask.nn._branches import Branches
from akkordeon_dask.nn._identity import Identity
from akkordeon_dask.nn._layer import Layer, Shape

__all__ = ["Residual"]

_IDENTITY = Identity()


@dataclass(frozen=True, repr=False)
class Residual(Branches):
    """`y = layers(x) + x`, or `y = layers(x) + projection(x)`.

    He, Zhang, Ren, Sun, 'Deep Residual Learning for Image Recognition', arXiv 1512.03385, 2015. There a
    rectifier follows the sum: `nn.Residual(...) >> nn.ReLU()`.

    Its parameters are a pair: those of the layers, and those of the projection (an empty dict without one).

    Parameters
    ----------
    layers
        a layer, or layers joined by `>>`.
    projection
        added instead of x itself where the layers change its shape: an affine layer, or a convolution with a
        window of 1 and the layers' stride.

    Shapes
    ------
    x : (batch, ...) float; y : (batch, ...), the shape of x without a projection

    Raises
    ------
    SpecError
        when the layers or the projection are no layer.
    ShapeError
        when the two outputs differ in shape.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> (nn.Residual(nn.Linear(4, 4) >> nn.Tanh()) >> nn.Linear(4, 2)).output_shape((4,))
    (2,)
    """

    layers: Layer
    projection: Layer | None = None

    def __post_init__(self) -> None:
        for layer in self._branches:
            if not isinstance(layer, Layer):
                remedy = instead(layer)
                raise SpecError(f"a Residual is made of an nn.Layer or layers joined by >>, not of {layer!r}{remedy}")
        self.output_shape(None)

    @property
    def _branches(self) -> tuple[Layer, ...]:
        return self.layers, _IDENTITY if self.projection is None else self.projection

    def _misfit(self, one: int, its: Shape, other: int, others: Shape) -> str:
        gives = f"the chain gives {shape_text(its)}"
        if self.projection is None:
            return f"{gives}, its input is {shape_text(others)}: give a projection"
        return f"{gives}, the projection gives {shape_text(others)}"

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        if self.projection is None:
            Layer.output_dtype(self, dtype)  # in the name of this layer, for the user wrote no identity
        return super().output_dtype(dtype)
