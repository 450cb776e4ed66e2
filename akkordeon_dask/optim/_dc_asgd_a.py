"""Delay compensation that adapts its strength to each parameter."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.tree import Array

__all__ = ["DCASGDa"]


@dataclass(frozen=True, repr=False)
class DCASGDa(ArrayOptimizer):
    """`w' = w - lr * (g + lam / sqrt(ms' + eps) * g * g * (w - stale))`: DC-ASGD-a.

    With the mean square `ms' = decay * ms + (1 - decay) * g * g`, from 0: where gradients are large
    their square overrates the Hessian, and the compensation is held back. `stale` are the weights of
    the batch's forward pass. With no delay (`stale` is `w`) this is `SGD(lr)`, bit for bit.

    Zheng et al., 'Asynchronous Stochastic Gradient Descent with Delay Compensation', arXiv 1609.08326, 2017.
    Remembered is the sum `ms / (1 - decay)`: the same rule with a pass over memory less.

    Parameters
    ----------
    lr
        learning rate, a number above 0 or a `Schedule`.
    lam
        strength of the compensation, the paper's lambda_0, at least 0; 0 is plain SGD.
    decay
        share of the mean square that is kept, the paper's m, in [0, 1).
    eps
        keeps the divisor above 0; above 0 itself.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> DCASGDa(0.02, lam=1.0)
    optim.DCASGDa(0.02, lam=1.0)
    """

    scaled_by: ClassVar[tuple[str, ...]] = ("decay",)

    lam: float = 2.0
    decay: float = 0.95
    eps: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "lam", least=0)
        keep_number(self, "decay", least=0, below=1)
        keep_number(self, "eps", above=0)

    def slots(self, w: Array) -> tuple[Array, ...]:
        return (np.zeros_like(w),)

    def step(
        self, w: Array, g: Array, slots: tuple[Array, ...], *, lr: float, count: int, stale: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        square = np.multiply(g, g, out=empty_like(w))
        ms = np.multiply(slots[0], self.decay, out=empty_like(w))
        ms += square
        if stale is w or not self.lam:
            new = np.multiply(g, -lr, out=square)
        else:
            share = 1 - self.decay
            new = np.subtract(w, stale, out=empty_like(w))
            new *= square
            root = np.add(ms, self.eps / share, out=square)
            np.sqrt(root, out=root)
            new /= root
            new *= self.lam / math.sqrt(share)
            new += g
            new *= -lr
        new += w
        return new, (ms,)
