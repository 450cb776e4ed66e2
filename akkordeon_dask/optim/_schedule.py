"""The base class of all schedules: a learning rate as a function of the number of updates."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from akkordeon_dask._repr import Written

__all__ = ["Schedule"]


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
        """The learning rate of the update after `count` updates: the first one has `count` 0."""
