"""The base class of optimizers with adaptive moments."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from akkordeon_dask._numbers import keep_flag, keep_number
from akkordeon_dask.memory import empty_like
from akkordeon_dask.optim._array_optimizer import ArrayOptimizer
from akkordeon_dask.optim._weight_decay import is_decayed
from akkordeon_dask.tree import Array

__all__ = ["AdaptiveMoments"]


@dataclass(frozen=True, repr=False)
class AdaptiveMoments(ArrayOptimizer):
    """An optimizer that remembers a mean of the gradients and one of their squares; parameters as `Adam`'s."""

    scaled_by: ClassVar[tuple[str, ...]] = ("beta1", "beta2")

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

    def _decayed(self, w: Array, lr: float) -> Array:
        """The parameter to which the step is added."""
        if self.weight_decay and is_decayed(w, self.decay_all):
            decayed: Array = np.multiply(w, 1 - lr * self.weight_decay, out=empty_like(w))
            return decayed
        return w
