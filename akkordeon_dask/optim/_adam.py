"""Adaptive moments."""

import math
from dataclasses import dataclass

import numpy as np

from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._adaptive_moments import AdaptiveMoments
from akkordeon_dask.tree import Array

__all__ = ["Adam"]


@dataclass(frozen=True, repr=False)
class Adam(AdaptiveMoments):
    """`w' = w - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * w)`.

    With `m' = beta1 * m + (1 - beta1) * g`, `v' = beta2 * v + (1 - beta2) * g * g`, and at update t
    `m_hat = m' / (1 - beta1**t)`, `v_hat = v' / (1 - beta2**t)`.

    Kingma, Ba, 'Adam: A Method for Stochastic Optimization', arXiv 1412.6980, 2014. Remembered are
    the sums `m / (1 - beta1)` and `v / (1 - beta2)`: the same rule in ten passes over memory instead of twelve.

    Parameters
    ----------
    lr
        learning rate, a number above 0 or a `Schedule`; about the size of a parameter's step.
    beta1, beta2
        shares of the mean gradient and of the mean square that are kept, in [0, 1).
    eps
        keeps the divisor above 0; above 0 itself.
    weight_decay
        at least 0, decoupled: shrinks `w` by `lr * weight_decay` and stays out of the moments, as in AdamW (Loshchilov,
        Hutter, 'Decoupled Weight Decay Regularization', arXiv 1711.05101, 2017; times `lr`, as PyTorch has it). Of
        weights and filters.
    decay_all
        biases and the scales of normalisations too: those are arrays of one axis, so that a
        `LayerNorm((6, 4, 4))`, whose scale has three, is not spared.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> Adam(1e-3, weight_decay=0.01)
    optim.Adam(0.001, weight_decay=0.01)
    """

    @property
    def kept(self) -> float:
        return self.beta1

    def direction(self, slots: tuple[Array, ...], count: int) -> Array | None:
        if not count:
            return None
        m, v = slots
        mean = (1 - self.beta1) / (1 - self.beta1**count)
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**count))
        ahead = np.sqrt(v, out=empty_like(v))
        ahead += self.eps / root
        np.divide(m, ahead, out=ahead)
        ahead *= mean / root
        return ahead

    def step(
        self, w: Array, g: Array, slots: tuple[Array, ...], *, lr: float, count: int, stale: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        new = np.multiply(g, g, out=empty_like(w))
        m = np.multiply(slots[0], self.beta1, out=empty_like(w))
        v = np.multiply(slots[1], self.beta2, out=empty_like(w))
        m += g
        v += new
        mean = (1 - self.beta1) / (1 - self.beta1**count)
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**count))
        np.sqrt(v, out=new)
        new += self.eps / root
        np.divide(m, new, out=new)
        new *= -lr * mean / root
        new += self._decayed(w, lr)
        return new, (m, v)
