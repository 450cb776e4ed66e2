"""Delay compensation for any optimizer."""

from dataclasses import dataclass, field

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._dc_asgd import DCASGD
from akkordeon_dask.optim._dc_asgd_a import DCASGDa
from akkordeon_dask.optim._optimizer import State
from akkordeon_dask.optim._wrapper import Wrapper, nested
from akkordeon_dask.tree import Array, Tree, join_leaves

__all__ = ["DelayCompensation"]


@dataclass(frozen=True, repr=False)
class DelayCompensation(Wrapper):
    """Any optimizer, with late gradients that are compensated before it sees them: `g + lam * g * g * (w - stale)`.

    The weights `stale` are those of the batch's forward pass. With no delay (`stale` is `w`) it is the `optimizer`
    alone, bit for bit. With `optim.SGD(lr)` it is `optim.DCASGD(lr)` up to rounding.

    Zheng et al., 'Asynchronous Stochastic Gradient Descent with Delay Compensation', arXiv 1609.08326, 2017, derive it
    for plain SGD: the compensated gradient estimates the one at `w`. Momentum and Adam then average such estimates.

    Parameters
    ----------
    optimizer
        that makes the update, one of PyTorch's too; one that compensates itself, or has such a one inside, is refused.
    lam
        strength of the compensation, the paper's lambda, at least 0; 0: none.

    Raises
    ------
    SpecError
        when `optimizer` is no optimizer, or compensates itself, or `lam` is out of its range.

    Examples
    --------
    >>> from akkordeon_dask import optim
    >>> optim.DelayCompensation(optim.Adam(1e-3), lam=0.1)
    optim.DelayCompensation(optim.Adam(0.001), lam=0.1)
    """

    lam: float = field(default=0.04, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(isinstance(one, DCASGD | DCASGDa | DelayCompensation) for one in nested(self.optimizer)):
            raise SpecError(
                f"optim.DelayCompensation takes an optimizer that does not compensate, not {self.optimizer!r}"
            )
        keep_number(self, "lam", least=0)

    def update(self, grads: Tree, state: State, params: Tree, *, stale_params: Tree) -> tuple[Tree, State]:
        if self.lam and stale_params is not params:
            grads = join_leaves(self._compensated, grads, params, stale_params)
        return super().update(grads, state, params, stale_params=stale_params)

    def _compensated(self, g: Array, w: Array, stale: Array) -> Array:
        if stale is w:
            return g
        new = np.subtract(w, stale, out=empty_like(g))
        new *= g
        new *= g
        new *= self.lam
        new += g
        return new
