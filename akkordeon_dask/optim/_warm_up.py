"""A learning rate that rises to another one."""

from dataclasses import dataclass

from akkordeon_dask._numbers import keep_int, keep_number
from akkordeon_dask.optim._schedule import Schedule

__all__ = ["WarmUp"]


@dataclass(frozen=True, repr=False)
class WarmUp(Schedule):
    """`then(0) * (count + 1) / updates` for the first updates, `then(count - updates)` afterwards.

    A schedule behind a warm-up counts from the warm-up's end, so the whole takes `updates` more.
    The warm-up's last update has the learning rate `then(0)`, and so has the one after it.

    Goyal et al., 'Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour', arXiv 1706.02677, 2017.

    Parameters
    ----------
    updates
        length of the warm-up, in updates, at least 1.
    then
        the learning rate afterwards: a number above 0, or a `Schedule`.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> schedule = WarmUp(4, 0.5)
    >>> [schedule(count) for count in range(6)]
    [0.125, 0.25, 0.375, 0.5, 0.5, 0.5]
    >>> from akkordeon_dask.optim import Step
    >>> WarmUp(500, Step(0.5, 1000))(1500)
    0.05
    """

    updates: int
    then: float | Schedule

    def __post_init__(self) -> None:
        keep_int(self, "updates", 1)
        if not isinstance(self.then, Schedule):
            keep_number(self, "then", ", where it is no Schedule,", above=0)

    def __call__(self, count: int) -> float:
        then = self.then
        if count >= self.updates:
            return then(count - self.updates) if isinstance(then, Schedule) else then
        top = then(0) if isinstance(then, Schedule) else then
        return top * ((count + 1) / self.updates)
