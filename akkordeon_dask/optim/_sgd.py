"""Stochastic gradient descent."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask._numbers import keep_flag, keep_number
from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.optim._weight_decay import is_decayed
from akkordeon_dask.tree import Array

__all__ = ["SGD"]


@dataclass(frozen=True, repr=False)
class SGD(ArrayOptimizer):
    """`v' = momentum * v + g; w' = w - lr * v'`; with Nesterov `w' = w - lr * (g + momentum * v')`.

    Sutskever, Martens, Dahl, Hinton, 'On the importance of initialization and momentum in deep
    learning', ICML 2013 (in the form that PyTorch uses: the learning rate outside the velocity).

    Parameters
    ----------
    lr
        learning rate, a number above 0 or a `Schedule`.
    momentum
        share of the velocity that is kept, in [0, 1).
    nesterov
        look ahead along the velocity; needs momentum.
    weight_decay
        at least 0: `weight_decay * w` is added to the gradient of weights and filters.
    decay_all
        of biases and of the scales of normalisations too: those are arrays of one axis, so that a
        `LayerNorm((6, 4, 4))`, whose scale has three, is not spared.

    Raises
    ------
    SpecError
        when a parameter is out of its range, or `nesterov` is set without a momentum.

    Examples
    --------
    >>> SGD(0.1, momentum=0.9)
    optim.SGD(0.1, momentum=0.9)
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    decay_all: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        keep_number(self, "momentum", least=0, below=1)
        keep_number(self, "weight_decay", least=0)
        keep_flag(self, "decay_all")
        if keep_flag(self, "nesterov") and not self.momentum:
            raise SpecError("SGD: nesterov=True looks ahead along the momentum: set momentum above 0")

    @property
    def kept(self) -> float:
        return self.momentum

    def direction(self, slots: tuple[Array, ...], count: int) -> Array | None:
        return slots[0] if slots else None

    def slots(self, w: Array) -> tuple[Array, ...]:
        return (np.zeros_like(w),) if self.momentum else ()

    def step(
        self, w: Array, g: Array, slots: tuple[Array, ...], *, lr: float, count: int, stale: Array
    ) -> tuple[Array, tuple[Array, ...]]:
        new = empty_like(w)
        if self.weight_decay and is_decayed(w, self.decay_all):
            decayed = np.multiply(w, self.weight_decay, out=empty_like(w))
            decayed += g
            g = decayed
        if self.momentum:
            v = np.multiply(slots[0], self.momentum, out=empty_like(w))
            v += g
            slots = (v,)
            if self.nesterov:
                np.multiply(v, self.momentum, out=new)
                new += g
                new *= -lr
            else:
                np.multiply(v, -lr, out=new)
        else:
            np.multiply(g, -lr, out=new)
        new += w
        return new, slots
