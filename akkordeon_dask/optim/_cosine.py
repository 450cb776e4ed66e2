"""A learning rate that falls along half a cosine."""

import math
from dataclasses import dataclass

from akkordeon_dask._numbers import keep_int, keep_number
from akkordeon_dask.optim._schedule import Schedule

__all__ = ["Cosine"]


@dataclass(frozen=True, repr=False)
class Cosine(Schedule):
    """`final + (lr - final) * (1 + cos(pi * count / updates)) / 2`, then `final` for good.

    Loshchilov, Hutter, 'SGDR: Stochastic Gradient Descent with Warm Restarts', arXiv 1608.03983,
    2016 (one period, without restarts).

    Parameters
    ----------
    lr
        the learning rate of the first update, above 0.
    updates
        length of the descent, in updates, at least 1.
    final
        the learning rate afterwards, in [0, lr]. With 0 the parameters stand still then.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> schedule = Cosine(0.5, 1000, final=0.25)
    >>> schedule(0), schedule(500), schedule(1000), schedule(5000)
    (0.5, 0.375, 0.25, 0.25)
    """

    lr: float
    updates: int
    final: float = 0.0

    def __post_init__(self) -> None:
        keep_number(self, "lr", above=0)
        keep_int(self, "updates", 1)
        keep_number(self, "final", least=0, most=self.lr)

    def __call__(self, count: int) -> float:
        if count >= self.updates:
            return self.final
        share = (1 + math.cos(math.pi * count / self.updates)) / 2
        return self.final + (self.lr - self.final) * share
