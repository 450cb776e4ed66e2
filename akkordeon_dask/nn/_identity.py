"""The layer that does nothing."""

from dataclasses import dataclass
from typing import ClassVar

from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer
from akkordeon_dask.tree import Array, Tree

__all__ = ["Identity"]


@dataclass(frozen=True, repr=False)
class Identity(Layer):
    """`y = x`: the branch of a `Parallel` that hands its input on, and the default projection of a `Residual`.

    Shapes
    ------
    x, y : (batch, ...) float; y is x itself
    """

    views: ClassVar[bool] = True

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        return x, None

    def backward(
        self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False
    ) -> tuple[Array | None, Tree]:
        return (dy if need_dx else None), {}
