"""The base class of all optimizers: a frozen value with pure functions `init` and `update`."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from akkordeon_dask._repr import Written
from akkordeon_dask.tree import Tree

__all__ = ["Optimizer", "State"]

_MEMORY = 50
"""Updates that the mean delay remembers."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """An optimizer's memory: a value, replaced by every update and never written into.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import optim
    >>> state = optim.SGD(0.1).init(np.ones(2))
    >>> state.count, state.late(3).delay, state.slowed(0.5).rate
    (0, 3, 0.5)
    """

    count: int
    """Updates so far."""
    slots: tuple[tuple[Tree, ...], ...]
    """For each trained leaf of the parameters, in the order of `tree.leaves`, arrays or dicts of them."""
    rate: float = 1.0
    """The factor of all learning rates from here on."""
    delay: int = 0
    """Updates by which the gradient of the next update is late, or that of the last one was."""
    mean_delay: float = 0.0
    """The mean of the delays: of all until 50 updates, exponential with a share of 1/50 from then on."""

    def late(self, delay: int) -> "State":
        """The same for an update with a gradient that is `delay` updates late."""
        if delay == self.delay == self.mean_delay:
            return self
        mean = self.mean_delay + (delay - self.mean_delay) / min(self.count + 1, _MEMORY)
        return State(self.count, self.slots, self.rate, delay, mean)  # `replace` takes six times as long

    def slowed(self, factor: float, least: float = 0.0) -> "State":
        """The same with all learning rates times `factor`; none falls below its `least` share by that."""
        return replace(self, rate=max(self.rate * factor, min(self.rate, least)))


@dataclass(frozen=True, repr=False)
class Optimizer(Written, ABC):
    """The rule by which a gate makes its next parameters from the present ones and a gradient.

    A subclass is a frozen dataclass (`@dataclass(frozen=True, repr=False)`) that overrides `init` and `update`. One
    whose update of an array depends on that array's numbers alone derives from `ArrayOptimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import optim
    >>> optimizer, w = optim.SGD(0.5), np.ones(2)
    >>> w, state = optimizer.update(np.array([1.0, -1.0]), optimizer.init(w), w, stale_params=w)
    >>> w, state.count
    (array([0.5, 1.5]), 1)
    """

    namespace: ClassVar[str] = "optim."
    scaled_by: ClassVar[tuple[str, ...]] = ()
    """The options that the numbers of its state are scaled by."""

    @property
    def state_format(self) -> str:
        """A text that says what the numbers of its state are: with another one they mean something else.

        Examples
        --------
        >>> from akkordeon_dask import optim
        >>> optim.EMA(optim.Clip(optim.Adam(1e-3), norm=1)).state_format
        'optim.EMA(optim.Adam(beta1=0.9, beta2=0.999))'
        """
        return self._state_format()

    def _state_format(self, *inner: str) -> str:
        scales = [f"{name}={float(getattr(self, name))!r}" for name in self.scaled_by]
        return f"{self.namespace}{type(self).__name__}({', '.join([*inner, *scales])})"

    def rated_params(self, params: Tree, state: State) -> Tree:
        """The parameters that validation, test and prediction use: `params`, unless the optimizer has better ones."""
        return params

    def predicted_params(self, params: Tree, state: State) -> Tree:
        """The parameters that the next batch's forward pass uses: `params`, unless the optimizer predicts better ones.

        That batch's gradient is computed with them, and they are the `stale_params` of its update. An update in time,
        with `state.mean_delay` 0, needs no prediction: they are the arrays of `params` themselves then.
        """
        return params

    def update_late(
        self, grads: Tree, state: State, params: Tree, *, stale_params: Tree, delay: int
    ) -> tuple[Tree, State]:
        """`update` with a gradient that is `delay` updates late: the state tells the optimizer so.

        A gate calls it, and so does `akkordeon_dask.simulate`.
        """
        late = state.late(delay)
        params, state = self.update(grads, late, params, stale_params=stale_params)
        if state.mean_delay != late.mean_delay:  # an optimizer of a user's that knows no delays
            state = replace(state, delay=late.delay, mean_delay=late.mean_delay)
        return params, state

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
        state
            also knows by how many updates the gradient is late (`state.delay`).
        stale_params
            the parameters that the gradient was computed with: those of the batch's forward pass. Without
            delay they are the arrays of `params` themselves, not copies: compensation then costs nothing.

        Raises
        ------
        ShapeError
            a gradient or stale array has another shape than its parameters, or they or the state another form.
        """
