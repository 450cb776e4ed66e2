"""The position of a training sentinel in its data, where its next incarnation resumes."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from akkordeon_dask.actors.sentinel._fading import FadingAverage
from akkordeon_dask.actors.sentinel._open_pass import OpenPass
from akkordeon_dask.data import ColumnNames

__all__ = ["Opening", "Position"]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a training sentinel is in its data: its next incarnation resumes there."""

    finished: int = 0
    """Passes that are reported."""
    passes: tuple[OpenPass, ...] = ()
    """The open ones in their order. Never changed."""
    sequence: int = 0
    """Of the next batch, where no pass is open."""
    fading: FadingAverage | None = None
    """Of all samples so far; None: nobody asked for it."""

    def __str__(self) -> str:
        if not self.passes:
            return f"after {self.finished} passes"
        return f"in pass {self.passes[0].number} after {self.passes[0].finished} batches"

    @property
    def progress(self) -> tuple[int, ...]:
        """Finished passes, drawn batches, and the finished batches of each pass: the position without times."""
        return self.finished, self.sequence, *(one.finished for one in self.passes)

    def after(self, finished: int) -> "Position":
        """The same position, where more passes are known to be reported by now."""
        if finished <= self.finished:
            return self
        return replace(self, finished=finished, passes=tuple(one for one in self.passes if one.number > finished))

    def with_lost(self, samples: int) -> "Position":
        """The same position, with samples that cannot be drawn again counted as lost in its first pass."""
        if not samples:
            return self
        first, *rest = self.passes or (OpenPass(self.finished + 1, self.sequence),)
        return replace(self, passes=(replace(first.saved(), lost=first.lost + samples), *rest))

    def as_dict(self) -> dict[str, Any]:
        """The position as JSON values, once tuples are lists."""
        its = {"finished": self.finished, "passes": [one.as_dict() for one in self.passes], "sequence": self.sequence}
        return its if self.fading is None else its | {"fading": self.fading.as_dict()}

    @classmethod
    def from_dict(cls, saved: Any) -> "Position":
        """The position that `as_dict` returned, through JSON or not.

        Raises
        ------
        KeyError, TypeError
            when it is something else.
        """
        passes, fading = tuple(map(OpenPass.from_dict, saved["passes"])), saved.get("fading")
        return cls(saved["finished"], passes, saved["sequence"], fading and FadingAverage.from_dict(fading))


class Opening(NamedTuple):
    """How a sentinel has begun."""

    gone_back: Position | None
    """Where it begins after an order to go back that it did not know yet; None: where it was created for."""
    columns: ColumnNames
    """Of its data, as far as the first batch tells."""
