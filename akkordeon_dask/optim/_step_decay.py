"""A learning rate that falls in steps."""

from dataclasses import dataclass

from akkordeon_dask._numbers import keep_int, keep_number
from akkordeon_dask.optim._schedule import Schedule

__all__ = ["Step"]


@dataclass(frozen=True, repr=False)
class Step(Schedule):
    """`lr * factor ** (count // every)`.

    He, Zhang, Ren, Sun, 'Deep Residual Learning for Image Recognition', arXiv 1512.03385, 2015
    (which divides by 10 when the error stands still; here after a fixed number of updates).

    Parameters
    ----------
    lr
        the learning rate of the first `every` updates, above 0.
    every
        length of a step, in updates, at least 1.
    factor
        of the learning rate at each step, in (0, 1].

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> schedule = Step(0.5, 1000, factor=0.5)
    >>> schedule(999), schedule(1000), schedule(2000)
    (0.5, 0.25, 0.125)
    """

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        keep_number(self, "lr", above=0)
        keep_int(self, "every", 1)
        keep_number(self, "factor", above=0, most=1)

    def __call__(self, count: int) -> float:
        return self.lr * self.factor ** (count // self.every)
