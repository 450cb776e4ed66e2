"""A bound on gradients."""

import math
from dataclasses import dataclass, field

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._wrapper import Wrapper
from akkordeon_dask.tree import Array, Tree, leaves, map_leaves

__all__ = ["Clip"]


@dataclass(frozen=True, repr=False)
class Clip(Wrapper):
    """Any optimizer, with gradients that are clipped before it sees them.

    A gradient within the bound is passed on as it is, bit for bit. Pascanu, Mikolov, Bengio, 'On the difficulty of
    training Recurrent Neural Networks', arXiv 1211.5063, 2013.

    The norm is that of *this gate's* gradient, over all its parameters: no gate knows that of the whole network,
    which is greater. Where a norm is given for a whole network of n gates, `norm / sqrt(n)` for each gate is alike.

    Parameters
    ----------
    optimizer
        that makes the update.
    norm
        the greatest Euclidean norm, above 0: a longer gradient is shortened to it.
    value
        the greatest absolute value of each number of the gradient, above 0. One of the two is given.

    Raises
    ------
    SpecError
        when `optimizer` is no optimizer, the bound is not above 0, or not one of the two is given.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.Clip(optim.Adam(1e-3), norm=1)
    optim.Clip(optim.Adam(0.001), norm=1)
    """

    norm: float | None = field(default=None, kw_only=True)
    value: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        given = [name for name in ("norm", "value") if getattr(self, name) is not None]
        if len(given) != 1:
            raise SpecError(f"{self!r}: give norm=... or value=..., one of the two")
        keep_number(self, given[0], above=0)

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        return self.optimizer.update(self._clipped(grads), state, params, stale_params=stale_params)

    def _clipped(self, grads: Tree) -> Tree:
        if self.value is not None:
            bound = self.value
            return map_leaves(lambda g: np.clip(g, -bound, bound, out=empty_like(g)), grads, statistics=False)
        assert self.norm is not None
        norm = math.sqrt(math.fsum(map(_square, leaves(grads, statistics=False))))
        if not self.norm < norm < math.inf:  # what is not finite stays as it is
            return grads
        factor = self.norm / norm
        return map_leaves(lambda g: np.multiply(g, g.dtype.type(factor), out=empty_like(g)), grads, statistics=False)


def _square(g: Array) -> float:
    wide = g.astype(np.float64)  # the square of a long gradient leaves float32
    return float(np.vdot(wide, wide))
