"""Late gradients, damped by how far the parameters have moved since."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._wrapper import Wrapper, added, with_added, with_zeros, without_added
from akkordeon_dask.tree import Array, Tree, join_leaves, leaves

__all__ = ["GapAware"]


@dataclass(frozen=True, repr=False)
class GapAware(Wrapper):
    """Any optimizer, with the gradient `g / (1 + |w - stale| / c)`, number by number.

    `c = sqrt(mean) + eps` is the usual size of that number's steps: `mean' = decay * mean + (1 - decay) * (w' - w)**2`,
    from 0 and divided by `1 - decay**t`. So a gradient that is `n` usual steps late counts `1 / (1 + n)`. Without delay
    (`stale` equals `w`) this is the `optimizer` alone, bit for bit.

    Barkai, Hakimi, Schuster, 'Gap Aware Mitigation of Gradient Staleness', arXiv 1909.10802, 2019. The size of steps is
    measured for every optimizer, as the paper's authors have it for Adam; for momentum they take the greatest learning
    rate times the root of the velocity's mean square.

    Parameters
    ----------
    optimizer
        that makes the update.
    decay
        share of the mean square of the steps that is kept, in [0, 1).
    eps
        keeps the divisor above 0; above 0 itself.

    Raises
    ------
    SpecError
        when `optimizer` is no optimizer, or another parameter out of its range.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.GapAware(optim.SGD(0.1, momentum=0.9))
    optim.GapAware(optim.SGD(0.1, momentum=0.9))
    """

    decay: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "decay", least=0, below=1)
        keep_number(self, "eps", above=0)

    def init(self, params: Tree) -> State:
        return with_zeros(super().init(params), params)

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        damped = self._damped(grads, state, params, stale_params)
        new, inner = super().update(damped, without_added(state), params, stale_params=stale_params)
        pairs = zip(added(state), leaves(new, statistics=False), leaves(params, statistics=False), strict=True)
        return new, with_added(inner, [self._mean(mean, after, w) for mean, after, w in pairs])

    def rated_params(self, params: Tree, state: State) -> Tree:
        return super().rated_params(params, without_added(state))

    def predicted_params(self, params: Tree, state: State) -> Tree:
        return super().predicted_params(params, without_added(state))

    def _damped(self, grads: Tree, state: State, params: Tree, stale_params: Tree) -> Tree:
        means = iter(added(state))
        share = 1 - self.decay**state.count or 1.0

        def damp(w: Array, g: Array, stale: Array) -> Array:
            mean = next(means, None)
            if stale is w or mean is None or not w.shape == g.shape == stale.shape == mean.shape:
                return g  # where forms differ the optimizer refuses them
            size = np.multiply(mean, 1 / share, out=empty_like(w))
            np.sqrt(size, out=size)
            size += self.eps
            gap = np.subtract(w, stale, out=empty_like(w))
            np.abs(gap, out=gap)
            gap /= size
            gap += 1
            return np.divide(g, gap, out=gap)

        return join_leaves(damp, params, grads, stale_params)

    def _mean(self, mean: Array, after: Array, w: Array) -> Array:
        square = np.subtract(after, w, out=empty_like(w))
        square *= square
        square *= 1 - self.decay
        kept = np.multiply(mean, self.decay, out=empty_like(w))
        kept += square
        return kept
