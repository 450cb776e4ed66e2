"""What every loss and every score is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from akkordeon_dask._notation import Written
from akkordeon_dask.tree import Array

__all__ = ["Loss", "Score"]


@dataclass(frozen=True, repr=False)
class Loss(Written, ABC):
    """A frozen value that compares a batch of outputs with their targets."""

    namespace: ClassVar[str] = "nn."

    @abstractmethod
    def __call__(self, y: Array, target: Array, *, need_dy: bool = True) -> tuple[float, Array | None]:
        """`(loss, dy)`: the mean over the batch, and its gradient by `y` (None unless `need_dy`).

        Neither argument is written into; `dy` is a new array of the shape and dtype of `y`.

        Raises
        ------
        DataError
            when the targets do not fit the outputs.
        """


@dataclass(frozen=True, repr=False)
class Score(Written, ABC):
    """A frozen value that rates a batch of outputs: higher is better."""

    namespace: ClassVar[str] = "nn."

    @property
    @abstractmethod
    def name(self) -> str:
        """The key of this score in reports: `"accuracy"`."""

    @abstractmethod
    def __call__(self, y: Array, target: Array) -> float:
        """The mean over the batch, in [0, 1]."""
