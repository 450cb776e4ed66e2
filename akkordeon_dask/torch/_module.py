"""A PyTorch module as a layer."""

from __future__ import annotations  # the documentation is built without PyTorch

import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import keep_flag
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn import Context, Key, Layer, Shape
from akkordeon_dask.nn._layer import Gradients
from akkordeon_dask.nn._shapes import is_full
from akkordeon_dask.torch._arguments import as_value, check_ties, made, same
from akkordeon_dask.torch._blueprint import Blueprint
from akkordeon_dask.torch._devices import check_device
from akkordeon_dask.torch._names import call_text
from akkordeon_dask.torch._notes import noted_backward
from akkordeon_dask.torch._outputs import check_buffers, check_way_back
from akkordeon_dask.torch._passes import NO_SEED, run
from akkordeon_dask.torch._random import torch_seed
from akkordeon_dask.torch._running_statistics import Mover, moved, movers
from akkordeon_dask.torch._shapes import cost, shape_behind, takes_indices
from akkordeon_dask.torch._template import named_tensors
from akkordeon_dask.torch._tensors import as_array, as_tensor
from akkordeon_dask.torch._threads import one_thread
from akkordeon_dask.tree import STATISTICS, Array, Tree

__all__ = ["TorchModule"]

_BEFORE, _AFTER = "before", "after"
_FIELDS = ("factory", "args", "kwargs", "random", "dtype", "device")


class _Graph(NamedTuple):
    """The graph that autograd goes back through."""

    y: torch.Tensor
    x: torch.Tensor
    leaves: tuple[torch.Tensor, ...]
    """The trained parameters."""
    before: Mapping[str, Array]
    after: Mapping[str, Array]
    """The buffers in front of the pass, and as it has left them."""


class _Context(NamedTuple):
    params: Tree
    x: Array
    train: bool
    seed: int
    graph: deque[_Graph]
    """For one backward pass, which takes it; empty: it is made anew, by the same forward pass."""
    committed: _Graph | None
    """The pass whose buffers the update commits."""


@dataclass(frozen=True, repr=False, init=False, eq=False)
class TorchModule(Layer):
    """A PyTorch module as a layer, as complex as it may be.

    Its parameters and persistent buffers are the layer's tree under torch's own names; buffers and frozen parameters
    stand below `"statistics"`, where nothing is trained. Each batch computes with its version's tensors, and the graph
    is kept until its backward pass. Tensors and arrays share memory.

    Buffers are copied for each training batch, and an update commits those of its batch. A module that draws random
    numbers in training runs under a lock of the process, with torch's default generator seeded from the batch's key
    (`torch_seed`) and put back afterwards: its draws are a function of seed, gate, layer, sentinel, pass and sequence.
    One that draws in evaluation too, where there is no key, is seeded from the content of what goes in.

    Parameters
    ----------
    factory
        makes the module on the worker: an `nn.Module` class or any callable, called with the other arguments; or a
        module, which is copied with its weights and never trained itself.
    args, kwargs
        the arguments of `factory`; none for a module.
    random
        the module draws random numbers in training; it does not; None: as its first training pass does in a process. To
        be declared where only some passes draw.
    dtype
        of products and convolutions, `"bfloat16"`: torch's autocast says which; parameters, their gradients, buffers
        and what goes in and out stay float32. bfloat16 has float32's range, so no loss is scaled. None: as the gate's.
    device
        of the computation, found in the worker's process: `"cuda"`, `"cuda:1"`, `"cpu"`, or `"auto"`: CUDA where there
        is one, else the CPU. A version's parameters are copied there once, for all batches; graphs stay there; what
        goes in and out, gradients and versions are arrays of the host, where the optimizer works. None: the CPU.

    Shapes
    ------
    x : (batch, ...) float, converted to the parameters' dtype, or integer, to int64 where the module looks it up, as
    an embedding does; y : (batch, ...), one tensor. Of an integer `dx` is zeros.

    Raises
    ------
    SpecError
        the module cannot be made; by `forward`, it writes into its parameters or keeps something of a batch other than
        in persistent buffers.
    PlacementError
        where the gate is created, or by `forward`: the process has no such device.
    ShapeError
        it cannot take the samples, or gives anything but one tensor with a row for each sample.

    Examples
    --------
    >>> import torch
    >>> from akkordeon_dask import Gate, nn, optim
    >>> from akkordeon_dask.torch import TorchModule
    >>> Gate(nn.Flatten() >> TorchModule(torch.nn.Linear, 784, 10), optim.SGD(0.1))
    Gate(nn.Flatten() >> TorchModule(torch.nn.Linear, 784, 10), optim.SGD(0.1))
    """

    keeps_output: ClassVar[bool] = True
    views: ClassVar[bool] = True

    factory: Callable[..., torch.nn.Module]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    random: bool | None
    dtype: str | None
    device: str | None

    def __init__(
        self, factory: Callable[..., torch.nn.Module] | torch.nn.Module, *args: Any, random: bool | None = None,
        dtype: str | None = None, device: str | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        if dtype is not None and dtype != "bfloat16":
            raise SpecError(
                f"TorchModule's dtype is 'bfloat16' or None, not {dtype!r}: its parameters have their gate's dtype, "
                "and a module whose own argument has this name is made by a function"
            )
        check_device(device)
        if isinstance(factory, torch.nn.Module) and (args or kwargs):
            raise SpecError(f"a module takes no further arguments: {args or kwargs!r} is for a class or function")
        given = [*args, *kwargs.values()]
        maker, args = as_value(factory), tuple(map(as_value, args))
        kwargs = {name: as_value(its) for name, its in kwargs.items()}
        check_ties(given)
        if not callable(maker):
            raise SpecError(f"TorchModule takes a module, a class of modules or a function, not {factory!r:.80}")
        for name, value in (
            ("factory", maker),
            ("args", args),
            ("kwargs", kwargs),
            ("random", random),
            ("dtype", dtype),
            ("device", device),
        ):
            object.__setattr__(self, name, value)
        if random is not None:
            keep_flag(self, "random")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in _FIELDS)

    def __eq__(self, other: object) -> bool:
        return same(self._values(), other._values()) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.factory, len(self.args), tuple(self.kwargs), self.random))

    def __repr__(self) -> str:
        own = {"random": self.random, "dtype": self.dtype, "device": self.device}
        options = {**self.kwargs, **{name: value for name, value in own.items() if value is not None}}
        return call_text("TorchModule", (self.factory, *self.args), options)

    def __getstate__(self) -> dict[str, Any]:
        # What was made in this process stays in it.
        return dict(zip(_FIELDS, self._values(), strict=True))

    def __deepcopy__(self, memo: object) -> TorchModule:
        return self

    @cached_property
    def _blueprint(self) -> Blueprint:
        return Blueprint(self._make, self._title, self.device)

    def _make(self) -> Any:
        return self.factory(*map(made, self.args), **{name: made(its) for name, its in self.kwargs.items()})

    @cached_property
    def _title(self) -> str:
        return repr(self)

    @cached_property
    def _movers(self) -> dict[str, Mover]:
        return movers(self._blueprint.skeleton)

    @property
    def waits(self) -> bool:  # type: ignore[override]
        return self.device not in (None, "cpu")  # the worker's process finds out what "auto" is

    def check_here(self) -> None:
        _ = self._blueprint.memory

    @property
    def draws(self) -> bool:  # type: ignore[override]
        return self.random is not False

    @property
    def trainable(self) -> bool:
        return bool(self._blueprint.names)

    @property
    def observes(self) -> bool:
        return bool(self._blueprint.buffers)

    @property
    def keeps_shape(self) -> bool:
        return False

    def output_shape(self, shape: Shape | None) -> Shape | None:
        return shape_behind(self._blueprint, self._title, shape)

    @cached_property
    def _takes_indices(self) -> bool:
        return takes_indices(self._blueprint)

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        if dtype.kind == "f" and self._takes_indices:
            raise ShapeError(
                f"{self._title} looks its input up, and takes integers, not {dtype}: .astype(numpy.int64) makes them"
            )
        return dtype if dtype.kind == "f" else np.dtype(np.float32)

    def multiply_adds(self, shape: Shape | None) -> int:
        return cost(self._blueprint, self._title, shape)

    def parameter_names(self, path: str) -> tuple[str, ...]:
        names = self._blueprint.names
        return names[path if path in names else path.removeprefix(f"{STATISTICS}.")]  # a part may be called so, too

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        module = self._blueprint.new(int(rng.integers(2**63)))
        state = {name: tensor for _, _, name, tensor in named_tensors(module)}
        arrays = {name: _initial(state[name], dtype) for name in self._blueprint.names}
        params: dict[str, Tree] = {name: arrays.pop(name) for name in self._blueprint.trained}
        return {**params, STATISTICS: arrays} if arrays else params

    @property
    def parameter_count(self) -> int:
        return sum(self._blueprint.tensors[name].numel() for name in self._blueprint.trained)

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        seed = NO_SEED if key is None else torch_seed(key)
        context = _Context(params, self._input(params, x), train, seed, deque(), None)
        if len(x) == 0 and is_full(shape := self.output_shape(x.shape[1:])):
            return np.empty((0, *shape), _dtype(params) or x.dtype), context
        with one_thread():
            if train:
                graph = self._graph(context)
                return as_array(graph.y), context._replace(graph=deque([graph]), committed=graph)
            with torch.no_grad():
                tensors = {**self._frozen(params), **self._trained(params)}
                return as_array(self._run(tensors, self._blueprint.memory.of_batch(context.x), context)), context

    def _input(self, params: Tree, x: Array) -> Array:
        dtype: np.dtype[Any] | None = x.dtype
        if x.dtype.kind == "f":
            dtype = _dtype(params)
        elif x.dtype.kind in "iu" and self._takes_indices:
            dtype = np.dtype(np.int64)  # what PyTorch takes as an index; data have narrower ones
        return np.ascontiguousarray(x, dtype)  # in C order: torch draws a mask in the order of the memory

    def _run(self, tensors: dict[str, torch.Tensor], x: torch.Tensor, context: _Context) -> torch.Tensor:
        seed = context.seed
        if seed == NO_SEED and not context.train and self._blueprint.examined.get(False, True):
            seed = self._seed_of(context.x)
        return run(
            self._blueprint, self._title, tensors, x,
            train=context.train, seed=seed, random=self.random, dtype=self.dtype,
        )  # fmt: skip

    def _seed_of(self, x: Array) -> int:
        """The seed of an evaluation without a key: the same in every process, and another one for another batch."""
        name = type(self._blueprint.skeleton).__qualname__
        return torch_seed(Key((0,)).fold(name, *self._blueprint.names, zlib.crc32(x.data)))

    def _graph(self, context: _Context) -> _Graph:
        """The forward pass of a context, ready to go back through."""
        x, trained = self._blueprint.memory.of_batch(context.x), self._trained(context.params)
        with torch.enable_grad():
            for leaf in (x, *trained.values()):
                leaf.requires_grad_(leaf.is_floating_point())
            tensors = {**self._frozen(context.params), **trained}
            y = self._run(tensors, x, context)
        buffers = self._blueprint.buffers
        before = {name: context.params[STATISTICS][name] for name in buffers}
        after = {name: as_array(tensors[name]) for name in buffers}
        if context.train:
            check_way_back(self._title, y, self._blueprint.trained)
        check_buffers(self._title, before, after)
        return _Graph(y, x, tuple(trained.values()), before, after)

    def _trained(self, params: Tree) -> dict[str, torch.Tensor]:
        return {name: self._blueprint.memory.of_version(params[name]) for name in self._blueprint.trained}

    def _frozen(self, params: Tree) -> dict[str, torch.Tensor]:
        """Buffers, in memory of this pass's own, and parameters that are not trained."""
        buffers, memory = self._blueprint.buffers, self._blueprint.memory
        kept = {name: memory.of_version(array) for name, array in params.get(STATISTICS, {}).items()}
        return {name: its.clone() if name in buffers else its for name, its in kept.items()}

    def backward(self, context: Context, dy: Array, *, need_dx: bool = True, own: bool = False) -> Gradients:
        blueprint, params = self._blueprint, context.params
        if len(context.x) == 0:
            found: list[torch.Tensor | None] = [None] * (len(blueprint.trained) + 1)
        else:
            with one_thread(), noted_backward(self._title):
                found = _gradients(context.graph.pop() if context.graph else self._graph(context), dy)
        apart = [as_tensor(dy)] if found[0] is None else [as_tensor(dy), found[0]]
        grads: dict[str, Tree] = {
            name: _gradient(its, params[name], apart) for name, its in zip(blueprint.trained, found[1:], strict=True)
        }
        if STATISTICS in params:
            grads[STATISTICS] = self._observed(context)
        return (_gradient(found[0], context.x, []) if need_dx else None), grads

    def _observed(self, context: _Context) -> Tree:
        if context.committed is None or not context.committed.after:
            return {}
        return {_BEFORE: context.committed.before, _AFTER: context.committed.after}

    def rebind(self, context: Context, params: Tree) -> Context:
        # Of the buffers the batch has those that it began with: the update commits what its forward pass made of them.
        kept = {STATISTICS: context.params[STATISTICS]} if STATISTICS in params else {}
        return context._replace(params={**params, **kept}, graph=deque())

    def advance(self, params: Tree, grads: Tree) -> Tree:
        shown = grads.get(STATISTICS)
        if not shown:
            return params
        now, before, after = params[STATISTICS], shown[_BEFORE], shown[_AFTER]
        new = {name: moved(self._movers, name, now, before, after) for name in after}
        return {**params, STATISTICS: {**now, **new}}


def _dtype(params: Tree) -> np.dtype[Any] | None:
    """The floating point of the parameters, or else of the buffers."""
    own = [its for its in params.values() if isinstance(its, np.ndarray)]
    dtypes = [its.dtype for its in (*own, *params.get(STATISTICS, {}).values()) if its.dtype.kind == "f"]
    return dtypes[0] if dtypes else None


def _initial(tensor: torch.Tensor, dtype: DTypeLike) -> Array:
    if not tensor.is_floating_point():
        return np.array(as_array(tensor))
    return np.array(as_array(tensor.float() if tensor.dtype == torch.bfloat16 else tensor), dtype)


def _gradients(graph: _Graph, dy: Array) -> list[torch.Tensor | None]:
    """By the input, and by each trained parameter; None where the output does not depend on it. The graph ends so."""
    y, inputs = graph.y, [graph.x, *graph.leaves]
    found: list[torch.Tensor | None] = [None] * len(inputs)
    indices = [index for index, its in enumerate(inputs) if its.requires_grad]
    if y.requires_grad and indices:
        g = as_tensor(np.ascontiguousarray(dy)).to(y.device, y.dtype)
        grads = torch.autograd.grad(y, [inputs[index] for index in indices], g, allow_unused=True)
        for index, grad in zip(indices, grads, strict=True):
            found[index] = grad
    return found


def _gradient(grad: torch.Tensor | None, like: Array, apart: list[torch.Tensor]) -> Array:
    """The gradient as an array, in other memory than the tensors that it has to be apart from."""
    if grad is None:
        return np.zeros(like.shape, like.dtype if like.dtype.kind == "f" else np.float32)
    grad = grad.to_dense() if grad.layout != torch.strided else grad
    memory = grad.untyped_storage().data_ptr()
    shared = any(its.untyped_storage().data_ptr() == memory for its in apart)
    return as_array(grad.clone() if shared else grad)
