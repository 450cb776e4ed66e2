"""Delay compensation with a constant strength."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.tree import Array

__all__ = ["DCASGD"]


@dataclass(frozen=True, repr=False)
class DCASGD(ArrayOptimizer):
    """`w' = w - lr * (g + lam * g * g * (w - stale))`: DC-ASGD-c.

    The gradient is of the weights `stale` that the batch's forward pass saw, but is applied to `w`.
    Its first-order change on the way, `H @ (w - stale)`, is estimated with `lam * g * g` for the
    Hessian. With no delay (`stale` is `w`) this is `SGD(lr)`, bit for bit.

    Zheng et al., 'Asynchronous Stochastic Gradient Descent with Delay Compensation', arXiv 1609.08326, 2017.

    Parameters
    ----------
    lr
        learning rate, a number above 0 or a `Schedule`.
    lam
        strength of the compensation, the paper's lambda, at least 0; 0 is plain SGD.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> DCASGD(0.1)
    optim.DCASGD(0.1)
    """

    lam: float = 0.04

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "lam", least=0)

    def step(
        self, w: Array, g: Array, slots: tuple[Array, ...], *, lr: float, count: int, stale: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        new = empty_like(w)
        if stale is w or not self.lam:
            np.multiply(g, -lr, out=new)
        else:
            np.subtract(w, stale, out=new)
            new *= g
            new *= g
            new *= self.lam
            new += g
            new *= -lr
        new += w
        return new, ()
