"""Where a training sentinel is in its data: what its next life goes on with."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from akkordeon_dask.actors.sentinel._score_states import Ratings, read

__all__ = ["PassPosition", "Position"]


@dataclass(frozen=True, slots=True)
class PassPosition:
    """A pass that is not finished: which of its batches are, and what they add up to."""

    number: int
    first: int
    """The sequence of its first batch."""
    floor: int
    """All its batches below this place in it are finished,"""
    beyond: tuple[int, ...] = ()
    """and these above it."""
    samples: int = 0
    lost: int = 0
    resent: int = 0
    loss: float = 0.0
    """Summed over samples."""
    scores: Ratings = field(default_factory=dict)
    seconds: float = 0.0
    """Since its begin."""

    @property
    def finished(self) -> int:
        """Batches that came home or were given up."""
        return self.floor + len(self.beyond)


@dataclass(frozen=True, slots=True)
class Position:
    """All passes of a sentinel: how many are done, and those under way."""

    finished: int = 0
    """Passes that are reported."""
    passes: tuple[PassPosition, ...] = ()
    """In their order."""
    sequence: int = 0
    """Of the next batch, where no pass is under way."""

    def __str__(self) -> str:
        if not self.passes:
            return f"after {self.finished} passes"
        return f"in pass {self.passes[0].number} after {self.passes[0].finished} batches"

    @property
    def progress(self) -> tuple[int, ...]:
        """What has come of it, time apart: finished passes, batches drawn, and those finished of each pass."""
        return self.finished, self.sequence, *(one.finished for one in self.passes)

    def after(self, finished: int) -> "Position":
        """The same, where more passes are known to be reported by now."""
        if finished <= self.finished:
            return self
        return replace(self, finished=finished, passes=tuple(one for one in self.passes if one.number > finished))

    def counted(self) -> "Position":
        """For data that cannot be drawn again: as many batches of each pass are done, whichever they were."""
        return replace(self, passes=tuple(replace(one, floor=one.finished, beyond=()) for one in self.passes))

    def as_dict(self) -> dict[str, Any]:
        """JSON values, once tuples are lists."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Any) -> "Position":
        """What `as_dict` gave, through JSON or not.

        Raises
        ------
        KeyError, TypeError
            when it is something else.
        """
        passes = (
            PassPosition(**{**one, "beyond": tuple(one["beyond"]), "scores": read(one["scores"], one["samples"])})
            for one in told["passes"]
        )
        return cls(told["finished"], tuple(passes), told["sequence"])
