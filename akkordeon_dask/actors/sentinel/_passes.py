"""A sentinel's passes over its data: which is drawn for, which are not complete, when the next is due."""

import math
from collections import deque

from akkordeon_dask.actors.sentinel._open_pass import BatchInFlight, OpenPass
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.messages import PassProgress, PassReport
from akkordeon_dask.network import Sentinel

__all__ = ["Passes"]


class Passes:
    """The bookkeeping of passes. Training passes may overlap, others follow one another.

    Parameters
    ----------
    sentinel
        says how many passes there are and when.
    """

    def __init__(self, sentinel: Sentinel) -> None:
        self._sentinel = sentinel
        self._own = 1 if sentinel.mode in ("test", "predict") else sentinel.epochs
        self.until: int | None = None
        """Passes after which it rests because somebody waits for so many; None: nobody does."""
        self.drawing: OpenPass | None = None
        self.rest_until = -math.inf
        self._open: dict[int, OpenPass] = {}
        self.samples = self.lost = self.resent = 0
        """Of all passes: samples that came home, samples that were given up, batches sent more than once."""
        self.sequence = 0
        """Of the next batch to be drawn."""
        self._number = 0
        self._finished = 0
        self._former: deque[OpenPass] = deque()
        """Passes that another life has begun, and this one has not taken up yet."""
        self._last_end = -math.inf
        self._abandoned = 0
        self._last_samples: int | None = None
        """Of the pass that was finished last."""

    @property
    def limit(self) -> int | None:
        """Passes after which it rests: its own number, or fewer that somebody waits for; None: it goes on."""
        return min((limit for limit in (self._own, self.until) if limit is not None), default=None)

    @property
    def all_done(self) -> bool:
        """As many passes as there should be are complete, and none is open."""
        return self.limit is not None and self._finished >= self.limit and not self._open

    def count(self, more: int | None) -> None:
        """Rest after `more` passes from now on, the open ones included; None: after its own number."""
        self.rest_after(None if more is None else self._finished + more)

    def rest_after(self, until: int | None) -> None:
        """Rest when so many passes are done in all, but never within one that has begun; None: after its own number."""
        begun = self._finished + len(self._open) + len(self._former)
        self.until = None if until is None else max(until, begun)

    @property
    def between(self) -> bool:
        """No pass is open."""
        return not self._open

    def go_on(self, position: Position, now: float) -> None:
        """Go on where another life of the sentinel was, before any pass begins.

        What it had finished is drawn again and left out, so that each batch has the number that it had, and the same
        masks. A stream cannot be drawn again: what comes next from it makes up the number of batches.
        """
        stream = self._sentinel.batches_per_pass
        self._finished = self._number = position.finished
        self.sequence = position.passes[0].first if position.passes else position.sequence
        for one in (position.counted() if stream else position).passes:
            tally = OpenPass.resume(one, self._sentinel.scores, now)
            tally.drawn = tally.finished if stream else 0
            self._former.append(tally)

    def position(self, now: float) -> Position | None:
        """What another life needs to go on; None: it begins its pass anew, for that reads one version of each gate."""
        if self._sentinel.mode != "train":
            return None
        under_way = [*self._open.values(), *self._former]
        return Position(self._finished, tuple(tally.position(now) for tally in under_way), self.sequence)

    def begin(self, now: float) -> bool:
        """Begin a pass if one is due: the one to draw for."""
        if self._sentinel.mode != "train" and (self._open or now < self.rest_until):
            return False
        if self.limit is not None and self._finished + len(self._open) >= self.limit:
            return False
        self._number += 1
        self.drawing = self._open[self._number] = tally = self._next(now)
        tally.first = max(tally.first, self.sequence - tally.drawn)  # no two batches have the same
        self.sequence = tally.first + tally.drawn
        if tally.drawn and tally.drawn == self._sentinel.batches_per_pass:  # it waits for the one before it
            self.stop_drawing()
            return self.begin(now)
        return True

    def _next(self, now: float) -> OpenPass:
        if self._former:
            return self._former.popleft()
        epoch = self._finished + len(self._open) + 1
        return OpenPass(self._number, epoch, now, first=self.sequence)

    def drew(self) -> tuple[OpenPass, int | None]:
        """A batch was drawn: the pass it belongs to, and its sequence; None: a former life has finished it."""
        tally, sequence = self.drawing, self.sequence
        assert tally is not None
        self.sequence += 1
        fresh = tally.draw()
        if tally.drawn == self._sentinel.batches_per_pass:
            self.stop_drawing()
        return tally, sequence if fresh else None

    def stop_drawing(self) -> OpenPass:
        """The pass that was drawn for has all its batches."""
        tally, self.drawing = self.drawing, None
        assert tally is not None
        tally.close()
        return tally

    @property
    def epoch(self) -> int:
        """Passes that are finished, and the open ones."""
        return self._finished + len(self._open)

    def home(self, flight: BatchInFlight) -> None:
        """A batch came home."""
        if flight.skipped:
            self.give_up(flight)
            return
        self._open[flight.pass_number].add(flight, self._sentinel.scores)
        self.samples += len(flight.x)

    def give_up(self, flight: BatchInFlight) -> None:
        """A batch was lost for good."""
        self._open[flight.pass_number].give_up(flight)
        self.lost += len(flight.x)

    def resend(self, flight: BatchInFlight) -> None:
        """A batch is sent again."""
        again = flight.attempt == 1
        self._open[flight.pass_number].resent += again
        self.resent += again

    def end(self, name: str, now: float) -> list[PassReport]:
        """The reports of the passes that have ended now: in their order, so a pass waits for those before it."""
        for tally in self._open.values():
            if tally.complete and tally.ended is None:
                tally.ended = now
        reports = []
        while self._open and (first := next(iter(self._open.values()))).complete:
            reports.append(self._end(first, name, now))
        return reports

    def _end(self, tally: OpenPass, name: str, now: float) -> PassReport:
        del self._open[tally.number]
        self._finished += 1
        self._abandoned = 0
        report = tally.report(name, self._sentinel, since=self._last_end, now=now)
        self._last_end, self._last_samples = now, tally.samples + tally.lost
        self.rest_until = tally.begun + self._sentinel.every if self._sentinel.mode == "validate" else now
        return report

    def progress(self, samples: int | None, now: float) -> PassProgress | None:
        """How far the oldest open pass is; None between two passes.

        Parameters
        ----------
        samples
            that a pass over all of the data has; None: not known.
        """
        tally = next(iter(self._open.values()), None)
        if tally is None:
            return None
        batches, done = self._sentinel.batches_per_pass, tally.samples + tally.lost
        if batches is not None:
            total = round(done / tally.finished * batches) if tally.finished else None
        else:
            total = samples or self._last_samples
        return tally.progress(self._sentinel, total, now=now)

    def abandon(self) -> int:
        """Forget what is not complete; gives how often in a row, with no pass done in between."""
        self._open.clear()
        self.drawing = None
        self._abandoned += 1
        return self._abandoned
