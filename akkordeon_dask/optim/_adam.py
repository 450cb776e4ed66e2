"""Adaptive moments."""

import math
from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import keep_flag, keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.optim._weight_decay import is_decayed
from akkordeon_dask.tree import Array

__all__ = ["Adam"]


@dataclass(frozen=True, repr=False)
class Adam(ArrayOptimizer):
    """`w' = w - lr * (m_hat / (sqrt(v_hat) + eps) + weight_decay * w)`.

    With `m' = beta1 * m + (1 - beta1) * g`, `v' = beta2 * v + (1 - beta2) * g * g`, and at update t
    `m_hat = m' / (1 - beta1**t)`, `v_hat = v' / (1 - beta2**t)`.

    Kingma, Ba, 'Adam: A Method for Stochastic Optimization', arXiv 1412.6980, 2014. Remembered are
    the sums `m / (1 - beta1)` and `v / (1 - beta2)`: the same rule in ten passes over memory instead of twelve.

    Parameters
    ----------
    lr
        learning rate, a number or a `Schedule`; about the size of a parameter's step.
    beta1, beta2
        shares of the mean gradient and of the mean square that are kept, in [0, 1).
    eps
        keeps the divisor above 0.
    weight_decay
        decoupled: shrinks `w` by `lr * weight_decay` and stays out of the moments, as in AdamW (Loshchilov, Hutter,
        'Decoupled Weight Decay Regularization', arXiv 1711.05101, 2017; times `lr`, as PyTorch has it). Of weights and
        filters.
    decay_all
        biases and the scales of normalisations too, which are arrays of one axis.

    Examples
    --------
    >>> Adam(1e-3, weight_decay=0.01)
    optim.Adam(0.001, weight_decay=0.01)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    decay_all: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "beta1", least=0, below=1)
        keep_number(self, "beta2", least=0, below=1)
        keep_number(self, "eps", above=0)
        keep_number(self, "weight_decay", least=0)
        keep_flag(self, "decay_all")

    def slots(self, w: Array) -> tuple[Array, ...]:
        return np.zeros_like(w), np.zeros_like(w)

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
        if self.weight_decay and is_decayed(w, self.decay_all):
            new += np.multiply(w, 1 - lr * self.weight_decay, out=empty_like(w))
        else:
            new += w
        return new, (m, v)
