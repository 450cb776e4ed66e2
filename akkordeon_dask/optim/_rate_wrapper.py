"""The base class of wrappers that make learning rates follow the delay."""

from abc import abstractmethod
from dataclasses import dataclass, replace

from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._wrapper import Wrapper
from akkordeon_dask.tree import Tree

__all__ = ["RateWrapper"]


@dataclass(frozen=True, repr=False)
class RateWrapper(Wrapper):
    """An optimizer, with a learning rate of its own for each update."""

    @abstractmethod
    def factor(self, state: State) -> float:
        """The factor of the learning rate of the next update; 1 where its gradient is in time."""

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        slowed = state.slowed(self.factor(state))
        new, after = self.optimizer.update(grads, slowed, params, stale_params=stale_params)
        return new, replace(after, rate=state.rate)

    def predicted_params(self, params: Tree, state: State) -> Tree:
        return self.optimizer.predicted_params(params, state.slowed(self.factor(state)))
