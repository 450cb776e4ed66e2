"""Adaptive moments with Nesterov's look ahead."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._adaptive_moments import AdaptiveMoments
from akkordeon_dask.tree import Array

__all__ = ["NAdam"]


@dataclass(frozen=True, repr=False)
class NAdam(AdaptiveMoments):
    """`w' = w - lr * ((n * m' + o * g) / (sqrt(v_hat) + eps) + weight_decay * w)`: Adam with Nesterov's momentum.

    `m'`, `v'` and `v_hat` are `Adam`'s; at update t, with `k(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)` and the
    product `p(t)` of `k(1)` to `k(t)`, `n = k(t + 1) / (1 - p(t + 1))` and `o = (1 - k(t)) / (1 - p(t))`.

    Dozat, 'Incorporating Nesterov Momentum into Adam', ICLR workshop 2016, in the form of PyTorch. For the late
    gradients of asynchronous pipelines with `beta1=0.99`: Ajanthan, Ramasinghe, Zuo, Avraham, Long, 'Nesterov Method
    for Asynchronous Pipeline Parallel Optimization', arXiv 2505.01099, 2025.

    Parameters
    ----------
    lr
        learning rate, a number above 0 or a `Schedule`; about the size of a parameter's step.
    beta1, beta2
        shares of the mean gradient and of the mean square that are kept, in [0, 1).
    eps
        keeps the divisor above 0; above 0 itself.
    weight_decay, decay_all
        as `Adam`'s.
    momentum_decay
        the speed at which the momentum of the look ahead rises to `beta1`, at least 0.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> NAdam(1e-3, beta1=0.99)
    optim.NAdam(0.001, beta1=0.99)
    """

    scaled_by: ClassVar[tuple[str, ...]] = ()  # it remembers means, where `Adam` remembers sums

    momentum_decay: float = 4e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "momentum_decay", least=0)

    def step(
        self, w: Array, g: Array, slots: tuple[Array, ...], *, lr: float, count: int, stale: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        m = np.multiply(g, 1 - self.beta1, out=empty_like(w))
        m += np.multiply(slots[0], self.beta1, out=empty_like(w))
        v = np.multiply(g, g, out=empty_like(w))
        v *= 1 - self.beta2
        v += np.multiply(slots[1], self.beta2, out=empty_like(w))
        of_mean, of_gradient = _shares(self.beta1, self.momentum_decay, count)
        new = np.multiply(m, -lr * of_mean, out=empty_like(w))
        divisor = np.multiply(g, -lr * of_gradient, out=empty_like(w))
        new += divisor
        np.sqrt(v, out=divisor)
        divisor *= 1 / math.sqrt(1 - self.beta2**count)
        divisor += self.eps
        new /= divisor
        new += self._decayed(w, lr)
        return new, (m, v)


@lru_cache(maxsize=256)
def _shares(beta1: float, decay: float, count: int) -> tuple[float, float]:
    """The factors of the mean and of the gradient, at update `count`."""
    now, after = _momentum(beta1, decay, count), _momentum(beta1, decay, count + 1)
    product = 1.0
    for update in range(1, count + 1):
        product *= _momentum(beta1, decay, update)
        if product < 1e-20:  # nothing beside 1
            break
    return after / (1 - product * after), (1 - now) / (1 - product)


def _momentum(beta1: float, decay: float, count: int) -> float:
    return float(beta1 * (1 - 0.5 * 0.96 ** (count * decay)))
