"""What a sentinel says about a pass over its data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.messages._messages import Mode

__all__ = ["PassReport"]


@dataclass(frozen=True, slots=True)
class PassReport:
    """A pass over the data of a sentinel, finished."""

    sentinel: str
    mode: Mode
    epoch: int
    """The number of the pass of this sentinel, from 1."""
    loss: float
    """The mean over the samples that came home; NaN where none did."""
    scores: Mapping[str, float]
    """Each score's mean over the samples that came home."""
    samples: int
    """Samples that came home."""
    lost: int
    """Samples of batches that were given up after their last attempt."""
    seconds: float
    """From the first batch of the pass, or the end of the pass before where that is later, to the end."""
    resent: int
    """Batches that had to be sent more than once."""

    @property
    def samples_per_s(self) -> float:
        """Samples a second."""
        return self.samples / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The report as plain types, for JSON and for events."""
        return {
            "sentinel": self.sentinel,
            "mode": self.mode,
            "epoch": self.epoch,
            "loss": self.loss,
            "scores": dict(self.scores),
            "samples": self.samples,
            "lost": self.lost,
            "resent": self.resent,
            "seconds": self.seconds,
            "samples_per_s": self.samples_per_s,
        }
