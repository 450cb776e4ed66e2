"""The base class of all schedules: a learning rate as a function of the number of updates."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from akkordeon_dask._repr import Written
from akkordeon_dask.errors import SpecError

__all__ = ["Schedule", "rate_at"]


@dataclass(frozen=True, repr=False)
class Schedule(Written, ABC):
    """A frozen value that maps the number of updates made so far to the learning rate.

    Updates are those of one gate: each gate's optimizer counts its own.

    Examples
    --------
    A schedule of your own:

    >>> from dataclasses import dataclass
    >>> from akkordeon_dask import optim
    >>> @dataclass(frozen=True, repr=False)
    ... class InverseTime(optim.Schedule):
    ...     lr: float
    ...
    ...     def __call__(self, count):
    ...         return self.lr / (1 + count)
    >>> InverseTime(0.5)(4), optim.SGD(InverseTime(0.5)).learning_rate(optim.SGD(0.1).init(()))
    (0.1, 0.5)
    """

    namespace: ClassVar[str] = "optim."

    @abstractmethod
    def __call__(self, count: int) -> float:
        """The learning rate of the update after `count` updates: the first one has `count` 0.

        It is a finite number of at least 0: an update raises a SpecError for anything else.
        """


def rate_at(schedule: Schedule, count: int) -> float:
    """The learning rate that a schedule, which may be a user's, gives for the update after `count` updates.

    Raises
    ------
    SpecError
        when that is no finite number of at least 0: with one below 0 a network would unlearn.
    """
    lr: object = schedule(count)
    try:
        rate = float(lr)  # type: ignore[arg-type]  # numpy's numbers and a tensor are ones, too
    except (TypeError, ValueError):
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise SpecError(
            f"{schedule!r} gives {lr!r:.80} after {count:,} updates: a learning rate is a finite number of at least 0, "
            "for every count: bound it by max(..., 0)"
        )
    return rate
