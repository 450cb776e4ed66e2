"""The base class of all optimizers: a frozen value with pure functions `init` and `update`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from akkordeon_dask._repr import Written
from akkordeon_dask.tree import Array, Tree

__all__ = ["Optimizer", "State"]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """An optimizer's memory: a value, replaced by every update and never written into."""

    count: int
    """Updates so far."""
    slots: tuple[tuple[Array, ...], ...]
    """For each trained leaf of the parameters, in the order of `tree.leaves`, the optimizer's arrays of its shape."""
    rate: float = 1.0
    """The factor of all learning rates from here on."""

    def slowed(self, factor: float) -> "State":
        """The same with all learning rates times `factor`."""
        return replace(self, rate=self.rate * factor)


@dataclass(frozen=True, repr=False)
class Optimizer(Written, ABC):
    """Makes the next parameters from the present ones and a gradient.

    A frozen dataclass. One whose update of an array depends on that array's numbers alone derives from
    `ArrayOptimizer`.
    """

    namespace: ClassVar[str] = "optim."

    @abstractmethod
    def init(self, params: Tree) -> State:
        """The state before the first update."""

    @abstractmethod
    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        """`(next params, next state)`; no argument is written into, and statistics stay as they are.

        Parameters
        ----------
        grads
            the gradient, of the form of `params`.
        stale_params
            the parameters that the gradient was computed with: those of the batch's forward pass. Without
            delay they are the arrays of `params` themselves, not copies: compensation then costs nothing.

        Raises
        ------
        ShapeError
            a gradient or stale array has another shape than its parameters, or they or the state another form.
        """
