"""Momentum for gradients that come late."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._sgd import SGD
from akkordeon_dask.optim._wrapper import Wrapper
from akkordeon_dask.tree import Array, Tree, leaves, rebuild

__all__ = ["SpikeCompensation"]


@dataclass(frozen=True, repr=False)
class SpikeCompensation(Wrapper):
    """`SGD` with momentum `m`, with `w' = w - lr * (a * v' + b * g)`, `a = m**delay`, `b = (1 - m**delay) / (1 - m)`.

    A gradient that is late by `delay` updates moves the parameters at once by as much as it would have moved them until
    now, had it come in time, and from then on as it would then. Without delay this is the `optimizer` alone, bit for
    bit.

    Kosson, Chiley, Venigalla, Hestness, Koester, 'Pipelined Backpropagation at Scale: Training Large Models without
    Batches', arXiv 2003.11666, 2020.

    Parameters
    ----------
    optimizer
        an `SGD` with momentum, without Nesterov's look ahead.

    Raises
    ------
    SpecError
        when `optimizer` is any other.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.SpikeCompensation(optim.SGD(0.1, momentum=0.9))
    optim.SpikeCompensation(optim.SGD(0.1, momentum=0.9))
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.optimizer, SGD) and self.optimizer.momentum and not self.optimizer.nesterov):
            raise SpecError(
                f"{self!r}: it takes an optim.SGD with momentum and without nesterov, not {self.optimizer!r}"
            )

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        new, after = super().update(grads, state, params, stale_params=stale_params)
        if not state.delay:
            return new, after
        assert isinstance(self.optimizer, SGD)
        lr, kept = self.optimizer.learning_rate(state), self.optimizer.momentum
        share = kept**state.delay
        at_once = (1 - share) / (1 - kept)
        moved = [
            _moved(w, now[0], before[0], -lr * (share + at_once), lr * at_once * kept)
            for w, now, before in zip(leaves(params, statistics=False), after.slots, state.slots, strict=True)
        ]
        return rebuild(new, iter(moved), statistics=False), after


def _moved(w: Array, velocity: Array, before: Array, factor: float, back: float) -> Array:
    """`w + factor * velocity + back * before`: the gradient is `velocity - momentum * before`."""
    moved = np.multiply(velocity, factor, out=empty_like(w))
    moved += np.multiply(before, back, out=empty_like(w))
    moved += w
    return moved
