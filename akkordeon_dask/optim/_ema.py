"""An exponential average of the parameters."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._wrapper import Wrapper, added, with_added, with_zeros, without_added
from akkordeon_dask.tree import Array, Tree, leaves, rebuild

__all__ = ["EMA"]


@dataclass(frozen=True, repr=False)
class EMA(Wrapper):
    """Any optimizer, with an average of the parameters that validation, test and prediction use.

    `average' = d * average + (1 - d) * w'`, with `d = min(decay, (t - 1) / t)` at update t: the plain mean of the
    parameters after each update until `1 / (1 - decay)` updates, and an exponential average from then on. So the first
    parameters, which nothing has trained, leave no trace.

    Polyak, Juditsky, 'Acceleration of Stochastic Approximation by Averaging', SIAM J. Control Optim. 30(4), 1992 (the
    mean); Tarvainen, Valpola, 'Mean teachers are better role models', arXiv 1703.01780, 2017 (the exponential average).

    Training itself does not see the average: it trains as the `optimizer` alone does, bit for bit. The average is
    part of the optimizer's state: snapshots have it, and it moves with its gate. `Running.parameters` and `save` give
    the parameters that train, `Running.parameters(rated=True)` the averages, a `callbacks.ModelCheckpoint` those that
    were rated. The statistics of normalisations are those of training.

    Parameters
    ----------
    optimizer
        that makes the update. It stands inside: `EMA(Clip(Adam(1e-3), norm=1))`.
    decay
        the share of the average that is kept in an update, in [0, 1).

    Raises
    ------
    SpecError
        when `optimizer` is no optimizer, or another parameter out of its range.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.EMA(optim.Adam(1e-3), decay=0.99)
    optim.EMA(optim.Adam(0.001), decay=0.99)
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "decay", least=0, below=1)

    def init(self, params: Tree) -> State:
        return with_zeros(self.optimizer.init(params), params)

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        new, inner = self.optimizer.update(grads, without_added(state), params, stale_params=stale_params)
        decay = min(self.decay, (inner.count - 1) / inner.count)
        pairs = zip(added(state), leaves(new, statistics=False), strict=True)
        return new, with_added(inner, [_mix(average, w, decay) for average, w in pairs])

    def rated_params(self, params: Tree, state: State) -> Tree:
        return rebuild(params, iter(added(state)), statistics=False) if state.count else params

    def predicted_params(self, params: Tree, state: State) -> Tree:
        return self.optimizer.predicted_params(params, without_added(state))


def _mix(average: Array, w: Array, decay: float) -> Array:
    """`w + decay * (average - w)`: exactly `w` where the two are equal, or nothing is kept."""
    mixed = np.subtract(average, w, out=empty_like(w))
    mixed *= w.dtype.type(decay)
    mixed += w
    return mixed
