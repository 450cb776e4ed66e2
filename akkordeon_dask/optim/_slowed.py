"""A schedule with all its rates times a factor."""

from dataclasses import dataclass

from akkordeon_dask.errors import SpecError
from akkordeon_dask.optim._checks import check_number
from akkordeon_dask.optim._schedule import Schedule

__all__ = ["Slowed"]


@dataclass(frozen=True, repr=False)
class Slowed(Schedule):
    """`factor * schedule(count)`.

    Parameters
    ----------
    schedule
        gives the learning rates.
    factor
        above 0.

    Examples
    --------
    >>> from akkordeon_dask.optim import Constant
    >>> Slowed(Constant(0.1), 0.5)(7)
    0.05
    """

    schedule: Schedule
    factor: float

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            raise SpecError(f"Slowed: schedule is a Schedule, not {self.schedule!r}: lower a plain number itself")
        check_number(self, "factor", "above 0", lambda factor: factor > 0)

    def __call__(self, count: int) -> float:
        return self.factor * self.schedule(count)
