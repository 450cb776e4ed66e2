"""The base class of optimizers that change the work of another one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.optim._optimizer import Optimizer, State
from akkordeon_dask.tree import Array, Tree, leaves

__all__ = ["Wrapper", "added", "nested", "with_added", "with_zeros", "without_added"]


@dataclass(frozen=True, repr=False)
class Wrapper(Optimizer):
    """Any optimizer, with something before or after its updates.

    Parameters
    ----------
    optimizer
        that makes the update.
    """

    optimizer: Optimizer

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            kind = type(self).__name__
            raise SpecError(f"optim.{kind} takes an optimizer first, e.g. optim.SGD(0.1), not {self.optimizer!r}")

    @property
    def state_format(self) -> str:
        if type(self).init is Wrapper.init:  # it remembers nothing itself
            return self.optimizer.state_format
        return self._state_format(self.optimizer.state_format)

    def init(self, params: Tree) -> State:
        return self.optimizer.init(params)

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        return self.optimizer.update(grads, state, params, stale_params=stale_params)

    def rated_params(self, params: Tree, state: State) -> Tree:
        return self.optimizer.rated_params(params, state)

    def predicted_params(self, params: Tree, state: State) -> Tree:
        return self.optimizer.predicted_params(params, state)


def nested(optimizer: Optimizer) -> Iterator[Optimizer]:
    """The optimizer, and those inside it, the innermost last."""
    yield optimizer
    while isinstance(optimizer, Wrapper):
        optimizer = optimizer.optimizer
        yield optimizer


def with_zeros(state: State, params: Tree) -> State:
    """The state with an array of zeros more for each trained array."""
    return with_added(state, [np.zeros_like(w) for w in leaves(params, statistics=False)])


def with_added(state: State, arrays: list[Array]) -> State:
    """The state with an array more for each trained array: what a wrapper remembers, behind what the inner one does.

    Raises
    ------
    ShapeError
        when there are other arrays in the state.
    """
    if len(state.slots) != len(arrays):
        raise ShapeError(f"a state of {len(state.slots)} arrays is not that of {len(arrays)} parameters: use init")
    return replace(state, slots=tuple((*slots, one) for slots, one in zip(state.slots, arrays, strict=True)))


def added(state: State) -> list[Array]:
    """The arrays that a wrapper has added."""
    return [slots[-1] for slots in state.slots]


def without_added(state: State) -> State:
    """The state of the inner optimizer."""
    return replace(state, slots=tuple(slots[:-1] for slots in state.slots))
