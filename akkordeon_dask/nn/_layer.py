"""The base class of all layers: a frozen value with pure functions."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._foreign import instead
from akkordeon_dask._repr import Written, shape_text
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn._checked_params import checked_params
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._shapes import Shape, agree, is_full, merged
from akkordeon_dask.tree import Array, Tree, size

if TYPE_CHECKING:
    from akkordeon_dask.nn._chain import Chain

__all__ = ["Context", "Gradients", "Layer", "Shape", "SplitGradients", "as_pair"]

Context: TypeAlias = Any
"""The part of a forward pass that the backward pass needs. Opaque, and never kept on the layer."""

Gradients: TypeAlias = tuple[Array | None, Tree]
"""Of the input, None where it is not asked for, and of the parameters."""

SplitGradients: TypeAlias = tuple[Array | None, Callable[[], Tree]]
"""Of the input, and a function that computes those of the parameters."""


@dataclass(frozen=True, repr=False)
class Layer(Written, ABC):
    """A frozen value: it holds hyperparameters, never parameters, never a batch.

    A subclass is a frozen dataclass (`@dataclass(frozen=True, repr=False)`) that overrides
    `forward` and `backward`, and of the other methods those whose default does not fit.

    Memory: an array that was received or sent is read-only. With `own=True` the array passed in was made inside
    this chain and nothing else refers to it: the layer may overwrite it.

    Shapes
    ------
    x, dx : `(batch, *shape)`; y, dy : `(batch, *output_shape(shape))`; float, unless `output_dtype` takes other ones

    Examples
    --------
    A layer of your own, `y = 2 * x`:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> @dataclass(frozen=True, repr=False)
    ... class Double(nn.Layer):
    ...     def forward(self, params, x, *, train=False, key=None, own=False):
    ...         return 2 * x, None
    ...
    ...     def backward(self, context, dy, *, need_dx=True, own=False):
    ...         return 2 * dy if need_dx else None, {}
    >>> (nn.ReLU() >> Double()).forward(({}, {}), np.array([[-1.0, 3.0]]))[0]
    array([[0., 6.]])
    """

    namespace: ClassVar[str] = "nn."
    keeps_output: ClassVar[bool] = False
    """The context refers to the output, so the next layer must not overwrite it."""
    views: ClassVar[bool] = False
    """The output may be the input itself, or a view of it; likewise `dx` of `dy`."""
    draws: ClassVar[bool] = True
    """In training `forward` may use its key. True again for a class that overrides `forward` and does not say so."""
    waits: ClassVar[bool] = False
    """Its passes may wait for a device, or for another library's threads, without using the CPU themselves."""

    def __init_subclass__(cls, **options: Any) -> None:
        """A class that overrides a method inherits nothing that was said of, or built on, the method of its base."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls) and "draws" not in vars(cls):
            cls.draws = True
        if "init" in vars(cls) and "parameter_count" not in vars(cls):
            cls.parameter_count = Layer.parameter_count  # type: ignore[method-assign]
        if "backward" in vars(cls) and "split_backward" not in vars(cls):
            cls.split_backward = Layer.split_backward  # type: ignore[method-assign]

    def check_here(self) -> None:
        """Find out whether this process can compute the layer. Called once where a gate is created, in a thread.

        Raises
        ------
        PlacementError
            when it cannot, as for want of a device.
        """

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        """New parameters: a dict of arrays of `dtype`, empty where there are none.

        Statistics, which are observed and not trained, are a dict of their own under the key `"statistics"`.
        """
        return {}

    @abstractmethod
    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        """`x : (batch, *shape)` to `(y : (batch, *output_shape(shape)), context)`.

        `key` determines the layer's random draws; needed only when `train` is set and the layer `draws`.
        """

    @abstractmethod
    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        """The gradient of the output to `(dx, grads)`: of the input (None unless `need_dx`) and of the parameters.

        `grads` has the form of the parameters; in place of statistics it holds those of the batch.
        """

    def split_backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> SplitGradients:
        """`backward` in two halves: `dx` at once, and a function that computes and returns `grads`, to be called once.

        Between the two `dx` can be sent. To the bit the results are those of `backward`, which by default is called
        for both halves at once. The function holds the context, or parts of it, and `dy` until it is called or dies;
        neither `dx` nor anything made of it is among them, so that `dx` may be overwritten before the call.
        """
        dx, grads = as_pair(self, "backward", self.backward(context, dy, need_dx=need_dx, own=own))
        return dx, lambda: grads

    @property
    def trainable(self) -> bool:
        """The layer has parameters. By default: when it overrides `init`."""
        return type(self).init is not Layer.init

    @property
    def parameter_count(self) -> int:
        """The number of trained numbers. By default those that `init` makes; a layer that knows it makes none."""
        made = self.init(np.random.default_rng(0), np.float32)
        return size(checked_params(self, made), statistics=False)

    @property
    def known_parameter_count(self) -> int:
        """The same as far as it is known without making any: 0 where `init`, which may take long, has to say it."""
        return 0 if type(self).parameter_count is Layer.parameter_count else self.parameter_count

    @property
    def keeps_shape(self) -> bool:
        """A sample's shape behind the layer is its shape in front."""
        return type(self).output_shape is Layer.output_shape

    @property
    def observes(self) -> bool:
        """The layer has statistics."""
        return False

    def advance(self, params: Tree, grads: Tree) -> Tree:
        """The parameters with their statistics moved towards those of a batch, which `backward` returned in `grads`.

        A gate calls it once for each batch that it is updated with, in the order of the updates.
        """
        return params

    def rebind(self, context: Context, params: Tree) -> Context:
        """The same context with other parameters: a backward pass through them."""
        return context

    def parameter_names(self, path: str) -> tuple[str, ...]:
        """The names that another library's files have for the leaf at `path` of the layer's parameters; here none."""
        return ()

    @property
    def input_shape(self) -> Shape | None:
        """The shape of a sample in front of this layer; None for an extent, or for all of it, that may be any."""
        return None

    def output_shape(self, shape: Shape | None) -> Shape | None:
        """The shape of a sample behind this layer; None where it is not known: an extent, or all of it.

        By default the shape in front. A TypeError for a `shape` that is not known in full counts as None.

        Raises
        ------
        ShapeError
            when no samples of `shape` can go in.
        """
        expected = self.input_shape
        if not agree(shape, expected):
            raise ShapeError(f"{self!r} takes samples of shape {shape_text(expected)}, not {shape_text(shape)}")
        return merged(shape, expected)

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype behind this layer.

        Raises
        ------
        ShapeError
            when the layer cannot work on `dtype`; most need floating point.
        """
        if dtype.kind != "f":
            raise ShapeError(f"{self!r} takes floating point, not {dtype}: put nn.Scale(mean, std) in front of it")
        return dtype

    def multiply_adds(self, shape: Shape | None) -> int:
        """Multiply-adds of a forward pass for one sample: the layer's share of the cost, as far as it is known."""
        return math.prod(shape) if is_full(shape) else 0

    def __rshift__(self, other: "Layer") -> "Chain":
        """`a >> b`: first a, then b, as one chain."""
        from akkordeon_dask.nn._chain import Chain  # the operator makes its own subclass: the one import that points up

        if not isinstance(other, Layer):
            if remedy := instead(other):
                raise SpecError(f"{self!r} >> takes a layer, not {other!r:.80}{remedy}")
            return NotImplemented
        return Chain([*self._parts(), *other._parts()])

    def __rrshift__(self, other: object) -> NoReturn:
        raise SpecError(f">> {self!r} takes a layer, not {other!r:.80}{instead(other)}")

    def _parts(self) -> "tuple[Layer, ...]":
        """The layer itself; of a chain its layers."""
        return (self,)


_PAIRS = {
    "forward": "(y, context), where the context is what the backward pass needs, None for nothing",
    "backward": "(dx, grads), where the gradients by the parameters are a dict, {} without parameters",
    "split_backward": "(dx, function), where the function returns the gradients by the parameters",
}


def as_pair(layer: Layer, method: str, made: Any) -> tuple[Any, Any]:
    """The two values that a method of a layer, which may be a user's, has returned.

    Raises
    ------
    ShapeError
        when it has returned anything else: says what it returns.
    """
    if not isinstance(made, tuple) or len(made) != 2:
        said = f"an array of shape {made.shape}" if isinstance(made, np.ndarray) else f"a {type(made).__name__}"
        said += f" of {len(made)}" if isinstance(made, tuple | list) else ""
        raise ShapeError(f"{layer!r}: {method} returns {said}, not a pair, {_PAIRS[method]}")
    return made
