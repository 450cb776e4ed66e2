"""What every schedule is: a learning rate as a function of the number of updates."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from akkordeon_dask._repr import Written

__all__ = ["Schedule"]


@dataclass(frozen=True, repr=False)
class Schedule(Written, ABC):
    """A frozen value that is called with the number of updates made so far and gives the learning rate.

    Updates are those of one gate: each gate's optimizer counts its own.
    """

    namespace: ClassVar[str] = "optim."

    @abstractmethod
    def __call__(self, count: int) -> float:
        """The learning rate of the update after `count` updates: the first one has `count` 0."""
