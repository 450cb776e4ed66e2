"""The base of layers whose backward pass has two halves."""

from abc import abstractmethod
from functools import partial

from akkordeon_dask.nn._layer import Context, Gradients, Layer, SplitGradients
from akkordeon_dask.tree import Array, Tree

__all__ = ["SplitLayer"]


class SplitLayer(Layer):
    """A layer that computes the gradient by its input without that by its parameters, and the other way round.

    A subclass overrides the two instead of `backward`.
    """

    @abstractmethod
    def input_gradient(self, context: Context, dy: Array, *, own: bool = False) -> Array:
        """`dx`: no view of `dy`; with `own` it may be in the place of `dy`."""

    @abstractmethod
    def parameter_gradients(self, context: Context, dy: Array) -> Tree:
        """`grads`, of the form of the parameters. Nothing is written into."""

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        grads = self.parameter_gradients(context, dy)
        return (self.input_gradient(context, dy, own=own) if need_dx else None), grads

    def split_backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> SplitGradients:
        # Not in the place of dy, which the other half reads afterwards.
        dx = self.input_gradient(context, dy) if need_dx else None
        return dx, partial(self.parameter_gradients, context, dy)
