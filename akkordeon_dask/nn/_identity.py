"""The layer that does nothing."""

from dataclasses import dataclass
from typing import ClassVar

from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.tree import Array

__all__ = ["Identity"]


@dataclass(frozen=True, repr=False)
class Identity(Function):
    """`y = x`: the branch of a `Parallel` that hands its input on, and the default projection of a `Residual`.

    Shapes
    ------
    x, y : (batch, ...) float; y is x itself

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.Parallel([nn.Identity(), nn.Linear(4, 3)], join="concatenate").output_shape((4,))
    (7,)
    """

    views: ClassVar[bool] = True

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        return x, None

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        return dy
