"""Layers one after the other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias, overload

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._foreign import instead
from akkordeon_dask._repr import check_shape
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn._checked_params import checked_params
from akkordeon_dask.nn._execution_plan import ExecutionPlan, Step, plan
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Gradients, Layer, Shape, SplitGradients, as_pair
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._shapes import asked, is_full, merged
from akkordeon_dask.nn._summary import summarise
from akkordeon_dask.tree import Array, Tree

__all__ = ["Chain"]

_HALF = np.dtype(np.float16)

_Rest: TypeAlias = list[tuple[Step, Callable[[], Tree]]]
"""The steps whose gradients by the parameters are yet to be computed, the foremost last."""


class _Context(NamedTuple):
    steps: tuple[Step, ...]
    items: tuple[Context, ...]
    narrow: bool
    """The input was float16."""


@dataclass(frozen=True, repr=False, init=False)
class Chain(Layer, Sequence[Layer]):
    """Layers one after the other; itself a layer. Written `a >> b >> c`, or `Chain([a, b, c])`.

    Its parameters are the tuple of its layers' parameters. A slice of a chain is a chain. Samples of float16 are
    computed with as float32, for sums of them overflow float16, which ends at 65504.

    Parameters
    ----------
    layers
        at least one layer; the constructor checks that their shapes fit.

    Raises
    ------
    SpecError
        when there is no layer, or one is something else.
    ShapeError
        when a layer cannot take the output of the one before it.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> (nn.Linear(4, 3) >> nn.ReLU() >> nn.Linear(3, 2))[:2]
    nn.Linear(4, 3) >> nn.ReLU()
    """

    layers: tuple[Layer, ...]
    _plan: ExecutionPlan = field(init=False, compare=False)

    def __init__(self, layers: Iterable[Layer]) -> None:
        layers = tuple(layers)
        for layer in layers:
            if not isinstance(layer, Layer):
                raise SpecError(f"a Chain holds layers, e.g. nn.Linear(784, 10), not {layer!r}{instead(layer)}")
        if not layers:
            raise SpecError("an empty Chain does nothing: give it at least one layer")
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "_plan", plan(layers))
        self.output_shape(None)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        return tuple(checked_params(layer, layer.init(rng, dtype)) for layer in self.layers)

    @property
    def parameter_count(self) -> int:
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def known_parameter_count(self) -> int:
        return sum(layer.known_parameter_count for layer in self.layers)

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        if len(params) != len(self.layers):
            raise ShapeError(f"{self!r} has {len(self.layers)} layers, its parameters are those of {len(params)}")
        steps, items, samples = self._plan.steps(x.dtype), [], x.shape[:1]
        narrow = x.dtype == _HALF
        if narrow:
            x, own = widened(x), True
        for position, layer, fused, views, keeps_output, draws, _ in steps:
            its = params[position : position + 2] if fused else params[position]
            below = key.fold(position) if draws and key is not None else None
            x, context = as_pair(layer, "forward", layer.forward(its, x, train=train, key=below, own=own))
            own = (own or not views) and not keeps_output
            items.append(context)
        if not isinstance(x, np.ndarray) or x.shape[:1] != samples:
            raise ShapeError(
                f"{self!r} gives {_said(x)} for {samples[0]} samples: forward returns (y, context), and y is an "
                "array with a row for each sample"
            )
        return x, _Context(steps, tuple(items), narrow)

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        grads = list(self._plan.no_grads)
        dx = self._walk_back(context, dy, grads, None, need_dx=need_dx, own=own)
        return dx, tuple(grads)

    def split_backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> SplitGradients:
        grads: list[Tree] = list(self._plan.no_grads)
        rest: _Rest = []
        dx = self._walk_back(context, dy, grads, rest, need_dx=need_dx, own=own)
        return dx, partial(_completed, grads, rest)

    def _walk_back(
        self, context: Context, dy: Array, grads: list[Tree], rest: _Rest | None, *, need_dx: bool, own: bool
    ) -> Array | None:
        """`dx`. Gradients by parameters are put in `grads`, or functions that compute them in the `rest`."""
        first = 0 if need_dx else self._plan.first_trained
        dx: Any = dy
        for step, item in zip(reversed(context.steps), reversed(context.items), strict=True):
            position, layer, fused, views, _, _, splits = step
            if position + fused < first:
                break
            below = need_dx or position > first
            if splits and rest is not None:
                made = layer.split_backward(item, dx, need_dx=below, own=own)
                dx, later = as_pair(layer, "split_backward", made)
                rest.append((step, later))
            else:
                dx, its = as_pair(layer, "backward", layer.backward(item, dx, need_dx=below, own=own))
                _put(grads, step, its)
            if below and dx is None:
                raise ShapeError(f"{layer!r} gives no dx: backward returns it wherever need_dx is set")
            own = own or not views
        if not need_dx:
            return None
        if not isinstance(dx, np.ndarray) or dx.shape[:1] != dy.shape[:1]:
            raise ShapeError(f"{self!r} gives {_said(dx)} as dx: it is an array of the shape of x")
        return dx.astype(_HALF) if context.narrow else dx

    def rebind(self, context: Context, params: Tree) -> Context:
        pairs = zip(context.steps, context.items, strict=True)
        return context._replace(items=tuple(step.layer.rebind(item, step.of(params)) for step, item in pairs))

    @property
    def draws(self) -> bool:  # type: ignore[override]
        """A layer may draw when it trains: `forward` needs a key. A chain that does not draw takes none."""
        return self._plan.draws

    @property
    def waits(self) -> bool:  # type: ignore[override]
        return self._plan.waits

    def check_here(self) -> None:
        for layer in self.layers:
            layer.check_here()

    @property
    def observes(self) -> bool:
        return self._plan.observes

    def advance(self, params: Tree, grads: Tree) -> Tree:
        return tuple(layer.advance(*both) for layer, *both in zip(self.layers, params, grads, strict=True))

    def parameter_names(self, path: str) -> tuple[str, ...]:
        position, _, inner = path.partition(".")
        return self.layers[int(position)].parameter_names(inner)

    @property
    def keeps_output(self) -> bool:  # type: ignore[override]
        """A layer keeps its output, and those behind it may hand that same array on."""
        for layer in reversed(self.layers):
            if layer.keeps_output or not layer.views:
                return layer.keeps_output
        return False

    @property
    def views(self) -> bool:  # type: ignore[override]
        """No layer makes an array of its own for certain."""
        return all(layer.views for layer in self.layers)

    @property
    def trainable(self) -> bool:
        return any(layer.trainable for layer in self.layers)

    @property
    def keeps_shape(self) -> bool:
        return all(layer.keeps_shape for layer in self.layers)

    @property
    def input_shape(self) -> Shape | None:
        """Of the first layer, completed by the layers behind it as long as those in front keep the shape."""
        shape: Shape | None = None
        for layer in self.layers:
            shape = merged(shape, layer.input_shape)
            if is_full(shape) or not layer.keeps_shape:
                break
        return shape

    def output_shape(self, shape: Shape | None) -> Shape | None:
        for position, layer in enumerate(self.layers):
            shape = self._shape_behind(position, layer, shape)
        return shape

    def _shape_behind(self, position: int, layer: Layer, shape: Shape | None) -> Shape | None:
        try:
            return asked(layer.output_shape, shape, None)
        except ShapeError as error:
            if position == 0:
                raise
            before = self.layers[position - 1]
            raise ShapeError(f"layer {position} {layer!r} cannot follow {before!r}: {error}") from None

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        dtype = np.dtype(np.float32) if dtype == np.float16 else dtype
        for layer in self.layers:
            dtype = layer.output_dtype(dtype)
        return dtype

    def multiply_adds(self, shape: Shape | None) -> int:
        total = 0
        shape = merged(shape, self.input_shape)
        for layer in self.layers:
            shape = merged(shape, layer.input_shape)
            total += asked(layer.multiply_adds, shape, 0)
            shape = asked(layer.output_shape, shape, None)
        return total

    def summary(self, shape: Shape | None = None, *, names: Sequence[str] | None = None) -> str:
        """A table of the layers: output shape, trained numbers and multiply-adds a sample of each, and in total.

        Parameters
        ----------
        shape
            of a sample; None: the chain's own `input_shape`. An entry that depends on an unknown extent is `?`.
        names
            one for each layer, instead of its position.

        Raises
        ------
        ShapeError
            when samples of `shape` cannot go in.
        SpecError
            when `shape` is not a shape.

        Examples
        --------
        >>> from akkordeon_dask import nn
        >>> print((nn.Linear(784, 10) >> nn.ReLU()).summary())
        position  layer               output shape  parameters  multiply-adds
        0         nn.Linear(784, 10)  (10,)              7,850          7,840
        1         nn.ReLU()           (10,)                  0             10
        total                         (10,)              7,850          7,850
        """
        return summarise(self, check_shape(shape), names)

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: int) -> Layer: ...
    @overload
    def __getitem__(self, index: slice) -> "Chain": ...
    def __getitem__(self, index: int | slice) -> "Layer | Chain":
        return Chain(self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __repr__(self) -> str:
        # `>>` would take an inner chain apart, and makes none of a single layer.
        if len(self.layers) == 1 or any(isinstance(layer, Chain) for layer in self.layers):
            return repr_nested(self)
        return " >> ".join(repr(layer) for layer in self.layers)

    def _parts(self) -> tuple[Layer, ...]:
        return self.layers


def _said(made: Any) -> str:
    return f"an array of shape {made.shape}" if isinstance(made, np.ndarray) else f"a {type(made).__name__}"


def _put(grads: list[Tree], step: Step, its: Tree) -> None:
    if step.fused:
        grads[step.position : step.position + 2] = its
    else:
        grads[step.position] = its


def _completed(grads: list[Tree], rest: _Rest) -> Tree:
    """The gradients by the parameters. A step's context and gradient are released once they are computed."""
    while rest:
        step, later = rest.pop()
        _put(grads, step, later())
    return tuple(grads)


def repr_nested(layer: Layer) -> str:
    """A layer as an element of a chain or an argument of another layer; an inner chain stays one."""
    if isinstance(layer, Chain):
        return f"nn.Chain([{', '.join(repr_nested(inner) for inner in layer.layers)}])"
    return repr(layer)
