"""A learning rate that stays."""

from dataclasses import dataclass

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.optim._schedule import Schedule

__all__ = ["Constant"]


@dataclass(frozen=True, repr=False)
class Constant(Schedule):
    """`lr`, whatever the count, as a plain number.

    Parameters
    ----------
    lr
        the learning rate, above 0.

    Raises
    ------
    SpecError
        when a parameter is out of its range.

    Examples
    --------
    >>> Constant(0.1)(1_000_000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        keep_number(self, "lr", above=0)

    def __call__(self, count: int) -> float:
        return self.lr
