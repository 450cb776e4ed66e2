"""The base of layers that are functions of their input alone."""

from abc import abstractmethod
from typing import ClassVar

from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Gradients, Layer
from akkordeon_dask.tree import Array, Tree

__all__ = ["Function"]


class Function(Layer):
    """A layer without parameters and without randomness, the same in training and inference."""

    draws: ClassVar[bool] = False

    @abstractmethod
    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        """The output and the context of `forward`."""

    @abstractmethod
    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        """The gradient by the input."""

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        return self._apply(x, own)

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        return (self._gradient(context, dy, own) if need_dx else None), {}
