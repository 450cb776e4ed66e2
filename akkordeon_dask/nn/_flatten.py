"""Samples as vectors."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer, Shape
from akkordeon_dask.tree import Array, Tree

__all__ = ["Flatten"]


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Each sample as a vector, row by row. Nothing is copied where the input is contiguous.

    Shapes
    ------
    x : (batch, ...) of any dtype; y : (batch, features), a view of x
    """

    views: ClassVar[bool] = True

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(
        self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        return (dy.reshape(context) if need_dx else None), {}

    def output_shape(self, shape: Shape | None) -> Shape | None:
        return None if shape is None else (math.prod(shape),)

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return dtype

    def multiply_adds(self, shape: Shape | None) -> int:
        return 0
