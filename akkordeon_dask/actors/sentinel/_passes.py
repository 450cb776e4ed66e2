"""The passes of a sentinel over its data: which one is drawn, which are open, and when the next one begins."""

import contextlib
import math
from collections import deque
from dataclasses import replace

from akkordeon_dask._numbers import LARGEST_COUNT
from akkordeon_dask.actors.sentinel._fading import FadingAverage
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.actors.sentinel._open_pass import OpenPass
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import Confusion, PassProgress, PassReport
from akkordeon_dask.network import Sentinel

__all__ = ["Passes"]

_NEWS = 30.0
"""Seconds for which the confusion of a finished pass is told."""


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

    def count(self, more: int | None, least: int = 0) -> None:
        """Rest after `more` passes from now on, the open ones included; None: after its own number.

        Not before `least` passes in all.
        """
        self.rest_after(None if more is None else max(self._finished + more, least))

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
    def open_samples(self) -> int:
        """Samples of unfinished passes that are completed or lost."""
        return sum(one.samples + one.lost for one in (*self._open.values(), *self._former))

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
