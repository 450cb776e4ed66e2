"""The reports of a sentinel about a pass over its data, at its end and before."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from akkordeon_dask.messages._confusion import Confusion
from akkordeon_dask.messages._messages import Mode

__all__ = ["PassProgress", "PassReport"]


@dataclass(frozen=True, slots=True)
class PassReport:
    """A finished pass of a sentinel over its data.

    Examples
    --------
    >>> report = PassReport("train0", "train", 1, 0.3, {"accuracy": 0.9}, samples=60_000, lost=0, seconds=2.0, resent=0)
    >>> report.samples_per_s
    30000.0
    """

    sentinel: str
    mode: Mode
    epoch: int
    """The number of the pass of this sentinel, from 1."""
    loss: float
    """The mean over the completed samples; NaN where there are none."""
    scores: Mapping[str, float] = field(hash=False)
    """Each score over the completed samples; NaN where there are none."""
    samples: int
    """Completed samples."""
    lost: int
    """Samples of batches that were lost: given up after their last attempt."""
    seconds: float
    """From the first batch of the pass, or the end of the pass before where that is later, to the end."""
    resent: int
    """Batches that were sent more than once."""
    ended: float = 0.0
    """Seconds since 1970 at its end, by the clock of its sentinel's worker."""
    elapsed: float = 0.0
    """Seconds from the deployment of the network to the end."""
    updates: int = 0
    """Updates of the network, counted at its last gate: of the newest version that made a prediction of this pass, and
    where it trains, with that of the pass's own last batch, if it completes one."""
    samples_trained: int = 0
    """Samples of all batches of these updates, of any sentinel."""
    key: str = ""
    """The key of its sentinel's actor on the cluster, never used twice."""
    number: int = 0
    """The number of the pass in messages: above `epoch` where passes were begun again."""
    rolled_back: bool = False
    """Its updates were undone: all gates and sentinels went back to a moment before its end."""
    confusion: Confusion | None = field(default=None, compare=False)
    """Of a validation or test pass of up to 64 classes: the confusion matrix, and in the newest pass of a sentinel the
    images of some wrong predictions. Only the client that has attached the sentinel has it."""

    @property
    def samples_per_s(self) -> float:
        """Samples a second."""
        return self.samples / self.seconds if self.seconds > 0 else 0.0

    def without_images(self) -> "PassReport":
        """The report without the images of wrong predictions."""
        if self.confusion is None or not self.confusion.wrong:
            return self
        return replace(self, confusion=self.confusion.without_images())

    def as_dict(self) -> dict[str, Any]:
        """The report as plain types, for JSON and for events, without its confusion."""
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
            "ended": self.ended,
            "elapsed": self.elapsed,
            "updates": self.updates,
            "samples_trained": self.samples_trained,
            "key": self.key,
            "number": self.number,
            "rolled_back": self.rolled_back,
        }

    def as_row(self) -> dict[str, Any]:
        """The report for people and their programs, without what actors know it by."""
        return {name: value for name, value in self.as_dict().items() if name not in ("key", "number")}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "PassReport":
        """The report that `as_dict` returned.

        Raises
        ------
        KeyError
            when a field is missing.
        """
        # A program of an older version lacks fields that have a default by now.
        return cls(**{one.name: plain[one.name] for one in fields(cls) if one.name in plain or one.default is MISSING})


@dataclass(frozen=True, slots=True)
class PassProgress:
    """The progress of a pass that is not finished."""

    epoch: int
    """The number of the pass, from 1."""
    samples: int
    """Completed and lost samples."""
    total: int | None
    """Samples of the whole pass; None: unknown before its end."""
    loss: float
    """The mean so far; NaN before the first batch completes."""
    scores: Mapping[str, float]
    """Each score so far."""
    seconds: float
    """Since its begin."""

    @property
    def share(self) -> float | None:
        """The finished part of the pass, from 0 to 1; None where its length is unknown."""
        return min(1.0, self.samples / self.total) if self.total else None

    @property
    def remaining(self) -> float | None:
        """Seconds to its end at the mean speed so far; None: unknown."""
        if not self.total or not self.samples:
            return None
        return self.seconds * max(0, self.total - self.samples) / self.samples
