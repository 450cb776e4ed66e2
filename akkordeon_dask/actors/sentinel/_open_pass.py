"""A pass that is not finished: the sums of its finished batches, and its form in a position."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from akkordeon_dask.actors.sentinel._confusion import NONE, ConfusionCounts
from akkordeon_dask.actors.sentinel._evaluation import (
    ScoreStates,
    merge_scores,
    read_scores,
    resume_scores,
    save_scores,
    score_results,
)
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import PassProgress, PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.nn import Score

__all__ = ["OpenPass"]


def _unsaved(default: Any) -> Any:
    """A field that no position keeps."""
    return field(default=default, compare=False, metadata={"saved": False})


@dataclass(slots=True)
class OpenPass:
    """A pass that is not finished: which of its batches are finished, and their sums.

    A position keeps its first fields; the others, made by `_unsaved`, belong to one incarnation of the sentinel.
    """

    number: int
    first: int = 0
    """The sequence of its first batch."""
    floor: int = 0
    """All its batches with a lower index are finished."""
    beyond: set[int] = field(default_factory=set)
    """The finished batches above the floor, by their index."""
    samples: int = 0
    lost: int = 0
    lost_batches: int = 0
    """Batches that were given up, without those that a restarted gate explains."""
    resent: int = 0
    loss: float = 0.0
    """Summed over samples, each with its weight."""
    weight: float = 0
    """Of all samples."""
    scores: ScoreStates = field(default_factory=dict)
    seconds: float = 0.0
    """From its begin to the position."""

    epoch: int = _unsaved(0)
    begun: float = _unsaved(0.0)
    drawn: int = _unsaved(0)
    """Batches that were drawn."""
    drawn_samples: int = _unsaved(0)
    """Their samples, and those of a former incarnation."""
    closed: bool = _unsaved(False)
    """No more batches will be drawn for it."""
    trained: tuple[int, int] = _unsaved((0, 0))
    """Updates of the network and their samples, of the newest version that made a prediction for this pass."""
    skipped: int = _unsaved(0)
    """Batches whose loss was not finite."""
    confusion: ConfusionCounts | None = _unsaved(None)
    ended: float | None = _unsaved(None)
    """The time at which the last batch was completed; the report may come later."""

    @property
    def finished(self) -> int:
        """Batches that were completed or given up."""
        return self.floor + len(self.beyond)

    @property
    def complete(self) -> bool:
        """All batches of the pass are finished."""
        return self.closed and self.finished == self.drawn

    def resume(self, scores: Iterable[Score], now: float) -> "OpenPass":
        """The same pass in the next incarnation, which has drawn nothing yet."""
        states = resume_scores(scores, self.scores)
        samples = self.samples + self.lost
        return replace(self.saved(), scores=states, epoch=self.number, begun=now - self.seconds, drawn_samples=samples)

    def at(self, now: float) -> "OpenPass":
        """A copy for a position."""
        return replace(self.saved(), seconds=now - self.begun)

    def saved(self) -> "OpenPass":
        """A copy without the fields of this incarnation."""
        return OpenPass(**{name: getattr(self, name) for name in _SAVED} | {"beyond": set(self.beyond)})

    def counted(self) -> "OpenPass":
        """A copy that is as far, with the first batches finished instead of others."""
        return replace(self.saved(), floor=self.finished, beyond=set())

    def as_dict(self) -> dict[str, Any]:
        """The fields of a position, as JSON has them."""
        its = {name: getattr(self, name) for name in _SAVED}
        return its | {"beyond": sorted(self.beyond), "scores": save_scores(self.scores)}

    @classmethod
    def from_dict(cls, saved: Any) -> "OpenPass":
        """The pass that `as_dict` returned; raises a KeyError or TypeError for anything else."""
        scores = read_scores(saved["scores"], saved["samples"])
        return cls(**{"weight": saved["samples"], **saved, "beyond": set(saved["beyond"]), "scores": scores})

    def draw(self) -> bool:
        """Count one more drawn batch; False where a former incarnation has finished it."""
        index = self.drawn
        self.drawn += 1
        return index >= self.floor and index not in self.beyond

    def close(self) -> None:
        """Draw no more batches. Batches beyond, which a former incarnation had finished, were of other data."""
        self.closed = True
        self.floor = min(self.floor, self.drawn)
        self.beyond = {index for index in self.beyond if index < self.drawn}

    def add(self, batch: BatchInFlight, scores: Iterable[Score]) -> None:
        """Count a completed batch."""
        samples = len(batch.x)
        assert batch.loss is not None
        self._finish(batch)
        self.samples += samples
        self.trained = max(self.trained, batch.trained)
        weight = samples if batch.weight is None else batch.weight
        self.weight += weight
        self.loss += batch.loss * weight
        self.scores = merge_scores(scores, self.scores, batch.scores)
        if batch.confusion is not None:
            self.confusion = (self.confusion or NONE).merged(batch.confusion)

    def give_up(self, batch: BatchInFlight) -> None:
        """Count a lost batch."""
        self._finish(batch)
        self.lost += len(batch.x)
        self.lost_batches += not (batch.excused or batch.skipped)
        self.skipped += batch.skipped

    def _finish(self, batch: BatchInFlight) -> None:
        self.beyond.add(batch.sequence - self.first)
        while self.floor in self.beyond:
            self.beyond.remove(self.floor)
            self.floor += 1

    def report(self, name: str, sentinel: Sentinel, *, since: float, now: float) -> PassReport:
        """The finished pass; its time starts at `since`, unless its first batch came later or its last one before."""
        ended = now if self.ended is None else self.ended
        begun = since if self.begun < since < ended else self.begun
        loss, scores = self._results(sentinel)
        return PassReport(
            sentinel=name,
            mode=sentinel.mode,
            epoch=self.epoch,
            loss=loss,
            scores=scores,
            samples=self.samples,
            lost=self.lost,
            seconds=ended - begun,
            resent=self.resent,
            updates=self.trained[0],
            samples_trained=self.trained[1],
            number=self.number,
            confusion=None if self.confusion is None else self.confusion.report(self.epoch),
        )

    def progress(self, sentinel: Sentinel, total: int | None, *, now: float) -> PassProgress:
        """The progress of the pass, of `total` samples."""
        try:
            loss, scores = self._results(sentinel, running=True)
        except AkkordeonError:  # of a user's score: raised when the pass is reported
            loss, scores = self.loss / self.weight if self.weight else math.nan, {}
        return PassProgress(self.epoch, self.samples + self.lost, total, loss, scores, now - self.begun)

    def _results(self, sentinel: Sentinel, *, running: bool = False) -> tuple[float, dict[str, float]]:
        """Loss and scores of the completed samples; of a pass that is `running` those that progress shows."""
        share = 1 / self.weight if self.weight else math.nan
        scores = [] if sentinel.mode == "predict" else [one for one in sentinel.scores if one.running or not running]
        return self.loss * share, score_results(scores, self.scores)


_SAVED = tuple(one.name for one in fields(OpenPass) if one.metadata.get("saved", True))
"""The fields that a position keeps."""
