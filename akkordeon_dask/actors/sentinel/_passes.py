"""The passes of a sentinel over its data: which is drawn, which are open, and where the next incarnation resumes."""

import contextlib
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from akkordeon_dask._numbers import LARGEST_COUNT
from akkordeon_dask.actors.sentinel._confusion import NONE, ConfusionCounts
from akkordeon_dask.actors.sentinel._evaluation import (
    ScoreStates,
    merge_scores,
    read_scores,
    resume_scores,
    save_scores,
    score_results,
)
from akkordeon_dask.actors.sentinel._fading import FadingAverage
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import Confusion, PassProgress, PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.nn import Score

__all__ = ["OpenPass", "Passes", "Position"]


_NEWS = 30.0
"""Seconds for which the confusion of a finished pass is told."""


def _unsaved(default: Any) -> Any:
    return field(default=default, compare=False, metadata={"saved": False})


@dataclass(slots=True)
class OpenPass:
    """A pass that is not finished: the finished ones of its batches, and their sums.

    A position keeps the first fields of it; the others belong to one incarnation of the sentinel.
    """

    number: int
    first: int = 0
    """The sequence of its first batch."""
    floor: int = 0
    """All its batches with a lower index are finished,"""
    beyond: set[int] = field(default_factory=set)
    """and these above it."""
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


class Passes:
    """The bookkeeping of passes. Training passes may overlap, others follow one another.

    Parameters
    ----------
    sentinel
        says how many passes there are and when.
    max_lost
        the share of a training pass's batches that may be lost; None: all.
    """

    def __init__(self, sentinel: Sentinel, max_lost: float | None = None) -> None:
        self._sentinel = sentinel
        self._max_lost = max_lost
        self.failure: OpenPass | None = None
        """A pass that lost too many batches."""
        self.batches: int | None = sentinel.batches_per_pass
        """Batches of a whole pass; None: unknown."""
        self._own = 1 if sentinel.mode in ("test", "predict") else sentinel.epochs
        self.until: int | None = None
        """Passes after which it rests because somebody waits for them; None: nobody does."""
        self.drawing: OpenPass | None = None
        self.rest_until = -math.inf
        self._open: dict[int, OpenPass] = {}
        self.samples = self.lost = self.resent = 0
        """Of all passes: completed samples, lost samples, batches sent more than once."""
        self.sequence = 0
        """Of the next batch to be drawn."""
        self._number = 0
        self._finished = 0
        self._former: deque[OpenPass] = deque()
        """Passes of a former incarnation that this one has not resumed yet."""
        self._last_end = -math.inf
        self._abandoned = 0
        self._confusion: Confusion | None = None
        self._fading = FadingAverage()
        self._last_samples: int | None = None
        """Samples of the last finished pass."""
        self.ended: OpenPass | None = None
        """The last finished pass, with the states of its scores. Never changed."""

    @property
    def limit(self) -> int | None:
        """Passes after which it rests: its own number, or fewer that somebody waits for; None: no limit."""
        own, until = self._own, self.until
        return own if until is None or (own is not None and own < until) else until

    @property
    def all_done(self) -> bool:
        """As many passes as the limit are complete, and none is open."""
        return not self._open and self.limit is not None and self._finished >= self.limit

    def count(self, more: int | None) -> None:
        """Rest after `more` passes from now on, the open ones included; None: after its own number."""
        self.rest_after(None if more is None else self._finished + more)

    def rest_after(self, until: int | None) -> None:
        """Rest after this many passes in all, but never within an open one; None: after its own number."""
        begun = self._finished + len(self._open) + len(self._former)
        self.until = None if until is None else max(until, begun)

    @property
    def finished(self) -> int:
        """Finished passes."""
        return self._finished

    @property
    def between(self) -> bool:
        """No pass is open."""
        return not self._open

    def resume(self, position: Position, now: float) -> None:
        """Continue at the position of a former incarnation, before any pass begins.

        Finished batches are drawn again and left out, so that each batch has its former number, and the same
        masks. A stream cannot be drawn again: its next batches make up the number.
        """
        stream = self._sentinel.endless
        self._finished = self._number = position.finished
        self._fading = position.fading or self._fading
        self.sequence = position.passes[0].first if position.passes else position.sequence
        for former in position.passes:
            own = (former.counted() if stream else former).resume(self._sentinel.scores, now)
            own.drawn = own.finished if stream else 0
            self._former.append(own)

    def position(self, now: float) -> Position | None:
        """The position; None: the next incarnation restarts the pass, because it reads one version of each gate."""
        if self._sentinel.mode != "train":
            return None
        unfinished = [*self._open.values(), *self._former]
        fading = None if self._sentinel.fading is None else self._fading
        return Position(self._finished, tuple(one.at(now) for one in unfinished), self.sequence, fading)

    def begin(self, now: float) -> bool:
        """Begin a pass if one is due: batches are drawn for it from now on."""
        if self._sentinel.mode != "train" and (self._open or now < self.rest_until):
            return False
        if self.limit is not None and self._finished + len(self._open) >= self.limit:
            return False
        self._number += 1
        self.drawing = self._open[self._number] = new = self._next(now)
        new.first = max(new.first, self.sequence - new.drawn)  # no two batches share a sequence
        self.sequence = new.first + new.drawn
        if self._is_full(new, now):  # it waits for the one before it
            self.stop_drawing()
            return self.begin(now)
        return True

    def _next(self, now: float) -> OpenPass:
        if self._former:
            return self._former.popleft()
        epoch = self._finished + len(self._open) + 1
        return OpenPass(self._number, self.sequence, epoch=epoch, begun=now)

    def draw(self, samples: int = 0, now: float = 0.0) -> tuple[OpenPass, int | None]:
        """Count a drawn batch; returns its pass and sequence, None where a former incarnation has finished it."""
        drawing, sequence = self.drawing, self.sequence
        assert drawing is not None
        self.sequence += 1
        fresh = drawing.draw()
        drawing.drawn_samples += samples
        self.stop_if_due(now)
        return drawing, sequence if fresh else None

    def stop_if_due(self, now: float) -> bool:
        """End the drawing of a pass that has as many batches, samples or seconds as it should; tells whether it did."""
        if self.drawing is None or not self._is_full(self.drawing, now):
            return False
        self.stop_drawing()
        return True

    def _is_full(self, one: OpenPass, now: float) -> bool:
        every = self._sentinel.report_every
        if not one.drawn:
            return False
        if every is None:
            return one.drawn == self._sentinel.batches_per_pass
        return one.drawn_samples >= every if isinstance(every, int) else now - one.begun >= every

    def stop_drawing(self) -> None:
        """All batches of the present pass are drawn."""
        drawing, self.drawing = self.drawing, None
        assert drawing is not None
        drawing.close()

    @property
    def drawn(self) -> bool:
        """A pass is open, and all its batches are drawn."""
        return self.drawing is None and bool(self._open)

    def note_trained(self, trained: tuple[int, int]) -> None:
        """The last gate has had so many updates with so many samples, those of the open passes among them."""
        for one in self._open.values():
            one.trained = max(one.trained, trained)

    @property
    def epoch(self) -> int:
        """Finished and open passes."""
        return self._finished + len(self._open)

    def complete(self, batch: BatchInFlight) -> None:
        """Count a completed batch."""
        if batch.skipped:
            self.give_up(batch)
            return
        self._open[batch.pass_number].add(batch, self._sentinel.scores)
        if self._sentinel.fading is not None:
            self._fading = self._fading.added(batch, self._sentinel.fading, self._sentinel.scores)
        self.samples += len(batch.x)

    def give_up(self, batch: BatchInFlight) -> None:
        """Count a lost batch."""
        one = self._open[batch.pass_number]
        one.give_up(batch)
        self.lost += len(batch.x)
        self._check_losses(one)

    def _check_losses(self, one: OpenPass) -> None:
        """Note a pass that is over, or cannot get better, and lost too many batches."""
        if self._max_lost is None or self._sentinel.mode == "predict":  # whoever predicts counts the outputs
            return
        many = one.lost_batches > 2 * self._sentinel.concurrency
        nothing = not one.samples and bool(one.lost)
        known = one.complete or self.batches is not None
        share = self._max_lost * max(one.finished, self.batches or 0)
        too_many = self._sentinel.mode == "train" and known and many and one.lost_batches > share
        if too_many or (nothing and (many or one.complete)):
            self.failure = one

    def resend(self, batch: BatchInFlight) -> None:
        """Count a batch that is sent again."""
        first = batch.attempt == 1
        self._open[batch.pass_number].resent += first
        self.resent += first

    def report(self, name: str, now: float) -> list[PassReport]:
        """The reports of the passes that have ended now: in their order, so a pass waits for those before it."""
        for one in self._open.values():
            if one.complete and one.ended is None:
                one.ended = now
                self._check_losses(one)
        reports = []
        while self._open and (first := next(iter(self._open.values()))).complete:
            reports.append(self._report(first, name, now))
        return reports

    def _report(self, ended: OpenPass, name: str, now: float) -> PassReport:
        del self._open[ended.number]
        self.ended = ended
        self._finished += 1
        self._abandoned = 0
        report = ended.report(name, self._sentinel, since=self._last_end, now=now)
        self._confusion = report.confusion
        report = replace(report, scores={**report.scores, **self._fading.results(self._sentinel)})
        self._last_end, self._last_samples = now, ended.samples + ended.lost
        every = self._sentinel.every
        self.rest_until = ended.begun + every if self._sentinel.mode == "validate" and isinstance(every, float) else now
        return report

    def progress(self, samples: int | None, now: float) -> PassProgress | None:
        """The progress of the oldest open pass; None between two passes.

        Parameters
        ----------
        samples
            of a pass over all of the data; None: unknown.
        """
        oldest = next(iter(self._open.values()), None)
        if oldest is None:
            return None
        progress = oldest.progress(self._sentinel, self._total(oldest, samples), now=now)
        with contextlib.suppress(AkkordeonError):  # of a user's score: raised when the pass is reported
            return replace(progress, scores={**progress.scores, **self._fading.results(self._sentinel)})
        return progress

    def _total(self, one: OpenPass, samples: int | None) -> int | None:
        """The samples of a whole pass; None: unknown."""
        batches, every = self._sentinel.batches_per_pass, self._sentinel.report_every
        if batches is not None:
            whole = round((one.samples + one.lost) / one.finished * batches) if one.finished else None
            return None if whole is None else min(whole, LARGEST_COUNT)
        if every is not None:
            return every if isinstance(every, int) else self._last_samples
        return samples or self._last_samples

    def news(self, now: float) -> Confusion | None:
        """The confusion of the last finished pass, if it has finished lately."""
        return self._confusion if now - self._last_end < _NEWS else None

    def abandon(self) -> int:
        """Drop the open passes; returns how often in a row, with no pass finished in between."""
        self._open.clear()
        self.drawing = None
        self._abandoned += 1
        return self._abandoned
