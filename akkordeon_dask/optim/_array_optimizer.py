"""The base class of optimizers that update each array by itself."""

from abc import abstractmethod
from dataclasses import dataclass

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.optim._optimizer import Optimizer, State
from akkordeon_dask.optim._schedule import Schedule, rate_at
from akkordeon_dask.tree import Array, Tree, join_leaves, leaves

__all__ = ["ArrayOptimizer"]


@dataclass(frozen=True, repr=False)
class ArrayOptimizer(Optimizer):
    """An optimizer whose update of an array depends on that array's numbers alone.

    A subclass is a frozen dataclass that defines the update of one array (`step`) and the
    arrays that it remembers (`slots`).

    Parameters
    ----------
    lr
        learning rate: a number above 0, or a `Schedule` of the number of updates.

    Raises
    ------
    SpecError
        when `lr` is neither a number above 0 nor a `Schedule`.
    ShapeError
        by `update`, when parameters, gradients, stale parameters or the state differ in form.

    Examples
    --------
    An optimizer of your own, which goes by the gradient's signs:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from akkordeon_dask import optim
    >>> @dataclass(frozen=True, repr=False)
    ... class SignSGD(optim.ArrayOptimizer):
    ...     def step(self, w, g, slots, *, lr, count, stale):
    ...         return w - lr * np.sign(g), slots
    >>> optimizer, w = SignSGD(0.5), np.ones(2)
    >>> optimizer.update(np.array([3.0, -4.0]), optimizer.init(w), w, stale_params=w)[0]
    array([0.5, 1.5])
    """

    lr: float | Schedule

    def __post_init__(self) -> None:
        if not isinstance(self.lr, Schedule):
            keep_number(self, "lr", ", where it is no Schedule,", above=0)

    def init(self, params: Tree) -> State:
        return State(0, tuple(self.slots(w) for w in leaves(params, statistics=False)))

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        lr = self.learning_rate(state)
        count, slots, kept = state.count + 1, iter(state.slots), []

        def step(w: Array, g: Array, stale: Array) -> Array:
            if not w.shape == g.shape == stale.shape:
                raise ShapeError(
                    f"{self!r}: parameters of shape {w.shape} got a gradient of shape {g.shape} "
                    f"computed with parameters of shape {stale.shape}: the three are one shape"
                )
            if (slot := next(slots, None)) is None:
                raise self._wrong_state(state)
            new, its = self.step(w, g, slot, lr=lr, count=count, stale=stale)
            kept.append(its)
            return new

        new_params = join_leaves(step, params, grads, stale_params)
        if len(kept) < len(state.slots):
            raise self._wrong_state(state)
        # `replace` takes six times as long.
        return new_params, State(count, tuple(kept), state.rate, state.delay, state.mean_delay)

    def _wrong_state(self, state: State) -> ShapeError:
        which = f"a state of {len(state.slots)} arrays"
        return ShapeError(f"{self!r}: {which} is not that of these parameters: begin with init(params)")

    def learning_rate(self, state: State) -> float:
        """The learning rate of the next update."""
        return (rate_at(self.lr, state.count) if isinstance(self.lr, Schedule) else self.lr) * state.rate

    @property
    def kept(self) -> float:
        """The share of `direction` that an update with a gradient of 0 keeps, in [0, 1)."""
        return 0.0

    def direction(self, slots: tuple[Array, ...], count: int) -> Array | None:
        """The direction in which an array's parameters move after `count` updates: the next are near `w - lr * it`.

        None where the optimizer remembers none.
        """
        return None

    def slots(self, w: Array) -> tuple[Array, ...]:
        """The optimizer's memory for an array of parameters, before the first update."""
        return ()

    @abstractmethod
    def step(
        self, w: Array, g: Array, slots: tuple[Array, ...], *, lr: float, count: int, stale: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        """One array's update: `(next w, next slots)`.

        Parameters
        ----------
        w, g, stale
            parameters now, gradient, parameters that the gradient was computed with; one shape and dtype.
        lr
            the learning rate of this update.
        count
            the number of this update, from 1.
        """
