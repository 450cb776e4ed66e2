"""PyTorch's optimizers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import AkkordeonError, ShapeError, SpecError
from akkordeon_dask.memory import copied
from akkordeon_dask.optim import Optimizer, Schedule, State
from akkordeon_dask.optim._schedule import rate_at
from akkordeon_dask.torch._names import call_text, name_of
from akkordeon_dask.torch._random import seeded
from akkordeon_dask.torch._tensors import as_array, as_tensor
from akkordeon_dask.torch._threads import one_thread
from akkordeon_dask.tree import Array, Tree, join_leaves, leaves, rebuild

__all__ = ["TorchOptimizer"]

_TRIAL = 12
"""Updates of a trial; some optimizers do something else each fifth or tenth time."""


@dataclass(frozen=True, repr=False, init=False, eq=False)
class TorchOptimizer(Optimizer):
    """An optimizer of `torch.optim` as that of a gate, of torch modules or of our own layers.

    Versions never change: each update works on copies of the parameters and of the optimizer's state.

    Parameters
    ----------
    factory
        a class such as `torch.optim.AdamW`, that takes a list of tensors first.
    options
        its options. `lr` may be a `Schedule` of ours.

    Raises
    ------
    SpecError
        the options do not suit the class, it needs more than gradients, as LBFGS does, or it remembers something beside
        the tensors of `optimizer.state[parameter]`.

    Examples
    --------
    >>> import torch
    >>> from akkordeon_dask.torch import TorchOptimizer
    >>> TorchOptimizer(torch.optim.AdamW, lr=0.001)
    TorchOptimizer(torch.optim.AdamW, lr=0.001)
    """

    namespace: ClassVar[str] = ""

    factory: Callable[..., torch.optim.Optimizer]
    options: Mapping[str, Any]
    _writes_gradients: bool
    """It works in the memory of the gradients, and gets copies."""

    def __init__(self, factory: Callable[..., torch.optim.Optimizer], *parameters: Any, **options: Any) -> None:
        if not callable(factory):
            raise SpecError(f"TorchOptimizer takes a class of torch.optim, e.g. torch.optim.AdamW, not {factory!r:.80}")
        if parameters or "params" in options:
            raise SpecError(
                f"TorchOptimizer({name_of(factory)}) takes options by their names, e.g. lr=0.001: its parameters are "
                "given by its gate"
            )
        lr = options.get("lr")
        if isinstance(lr, torch.optim.lr_scheduler.LRScheduler) or (callable(lr) and not isinstance(lr, Schedule)):
            raise SpecError(
                f"TorchOptimizer's lr is a number or a Schedule of akkordeon_dask.optim, as optim.Cosine(0.001, 500), "
                f"not {lr!r:.80}"
            )
        object.__setattr__(self, "factory", factory)
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "_writes_gradients", False)
        try:
            alike = self._carries_all()
        except AkkordeonError:
            raise
        except Exception as error:
            raise SpecError(f"{self!r} makes no update from a gradient alone: {error!r:.300}") from error
        if not alike:
            raise SpecError(
                f"{self!r} remembers something beside optimizer.state[parameter], in its param_groups or attributes: "
                "each update is made by a new optimizer, which has the tensors of that state alone; keep it there"
            )

    def _carries_all(self) -> bool:
        """Some updates are the same whether one optimizer makes them or, with the state of the last one, new ones.

        They also show whether it writes into gradients.
        """
        carried, kept = (torch.linspace(-1, 1, 4).reshape(2, 2).requires_grad_() for _ in range(2))
        optimizer, slots = self._made([kept], State(0, ())), list[dict[str, Array]]()
        for step in range(_TRIAL):
            for tensor in (carried, kept):
                tensor.grad = torch.linspace(1, 2, 4).reshape(2, 2).add(step).cos()
            given = tensor.grad.clone()
            with seeded(step):
                slots = self._stepped([carried], slots, State(0, ()))
            if not torch.equal(carried.grad, given):
                object.__setattr__(self, "_writes_gradients", True)
            with seeded(step), torch.enable_grad():
                optimizer.step()
        return bool(torch.allclose(carried, kept, rtol=1e-4, equal_nan=True))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self.factory, self.options) == (other.factory, other.options)

    def __hash__(self) -> int:
        return hash((self.factory, tuple(self.options)))

    def __repr__(self) -> str:
        return call_text("TorchOptimizer", (self.factory,), self.options)

    def init(self, params: Tree) -> State:
        # torch makes its state in the first step: one on zeros shows its form.
        tensors = [torch.zeros(w.shape, dtype=as_tensor(w).dtype) for w in leaves(params, statistics=False)]
        for tensor in tensors:
            tensor.requires_grad_()
            tensor.grad = torch.zeros_like(tensor)
        try:
            made = self._stepped(tensors, [], State(0, ()))
        except AkkordeonError:
            raise
        except Exception as error:
            shapes = ", ".join(shape_text(tuple(w.shape)) for w in tensors)
            raise SpecError(f"{self!r} cannot train arrays of shapes {shapes:.200}: {error!r:.300}") from error
        return State(0, tuple(({name: np.zeros_like(array) for name, array in slots.items()},) for slots in made))

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        now, found = leaves(params, statistics=False), self._in_order(params, grads)
        if [w.shape for w in now] != [g.shape for g in found] or len(state.slots) != len(now):
            shapes = [w.shape for w in now], [g.shape for g in found], len(state.slots)
            raise ShapeError(
                f"{self!r}: parameters, gradients and state differ in form: {shapes!r:.200}: begin with init(params)"
            )
        tensors = [as_tensor(copied(w)) for w in now]
        for tensor, g in zip(tensors, found, strict=True):
            tensor.requires_grad_()
            tensor.grad = as_tensor(copied(g) if self._writes_gradients else g)
        with one_thread():
            slots = self._stepped(tensors, [its for (its,) in state.slots] if state.count else [], state)
        new = rebuild(params, iter(map(as_array, tensors)), statistics=False)
        return new, State(state.count + 1, tuple((its,) for its in slots), state.rate)

    def _in_order(self, params: Tree, grads: Tree) -> list[Array]:
        """The gradients in the order of the parameters: they are found by their names."""
        found: list[Array] = []

        def note(w: Array, g: Array, _: Array) -> Array:
            found.append(g)
            return w

        try:
            join_leaves(note, params, grads, grads)
        except ShapeError as error:
            raise ShapeError(f"{self!r}: parameters and gradients differ in form: {error}") from None
        return found

    def _stepped(
        self, tensors: list[torch.Tensor], slots: list[dict[str, Array]], state: State
    ) -> list[dict[str, Array]]:
        """Make a step with the tensors, in place; returns what the optimizer remembers of each of them."""
        if not tensors:
            return []
        optimizer = self._made(tensors, state)
        for group in optimizer.param_groups if state.rate != 1 else ():
            group["lr"] = group["lr"] * state.rate  # not in place: a tensor is the option itself
        for tensor, its in zip(tensors, slots, strict=False):
            optimizer.state[tensor] = {name: as_tensor(copied(array)) for name, array in its.items()}
        with torch.enable_grad():
            optimizer.step()
        return [dict(self._remembered(optimizer.state[tensor])) for tensor in tensors]

    def _made(self, tensors: list[torch.Tensor], state: State) -> torch.optim.Optimizer:
        lr = self.options.get("lr")
        options = {**self.options, "lr": rate_at(lr, state.count)} if isinstance(lr, Schedule) else self.options
        return self.factory(tensors, **options)

    def _remembered(self, state: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                yield name, as_array(value)
            elif value is not None:
                raise SpecError(f"{self!r} remembers {name}={value!r:.80}: only tensors are carried from step to step")
