"""A sentinel's passes over its data: which is drawn for, which are not complete, when the next is due."""

import math

from akkordeon_dask.actors._tally import Flight, Tally
from akkordeon_dask.messages import PassReport
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
        self.limit = 1 if sentinel.mode in ("test", "predict") else sentinel.epochs
        self.drawing: Tally | None = None
        self.rest_until = -math.inf
        self._open: dict[int, Tally] = {}
        self.samples = self.lost = self.resent = 0
        """Of all passes: samples that came home, samples that were given up, batches sent more than once."""
        self._number = 0
        self._finished = 0
        self._last_end = -math.inf
        self._abandoned = 0

    @property
    def all_done(self) -> bool:
        """As many passes as there should be are complete, and none is open."""
        return self.limit is not None and self._finished >= self.limit and not self._open

    @property
    def between(self) -> bool:
        """No pass is open."""
        return not self._open

    def begin_at(self, finished: int) -> None:
        """So many passes are done already: no mask of theirs comes again."""
        self._finished = self._number = finished

    def begin(self, now: float) -> bool:
        """Begin a pass if one is due: the one to draw for."""
        if self._sentinel.mode != "train" and (self._open or now < self.rest_until):
            return False
        if self.limit is not None and self._finished + len(self._open) >= self.limit:
            return False
        self._number += 1
        epoch = self._finished + len(self._open) + 1
        self.drawing = self._open[self._number] = Tally(self._number, epoch, now)
        return True

    def drew(self) -> Tally:
        """A batch was drawn: the pass it belongs to."""
        tally = self.drawing
        assert tally is not None
        tally.drawn += 1
        if tally.drawn == self._sentinel.batches_per_pass:
            self.stop_drawing()
        return tally

    def stop_drawing(self) -> Tally:
        """The pass that was drawn for has all its batches."""
        tally, self.drawing = self.drawing, None
        assert tally is not None
        tally.closed = True
        return tally

    @property
    def epoch(self) -> int:
        """Passes that are finished, and the open ones."""
        return self._finished + len(self._open)

    def home(self, flight: Flight) -> None:
        """A batch came home."""
        if flight.skipped:
            self.give_up(flight)
            return
        self._open[flight.pass_number].home(flight)
        self.samples += len(flight.x)

    def give_up(self, flight: Flight) -> None:
        """A batch was lost for good."""
        self._open[flight.pass_number].give_up(flight)
        self.lost += len(flight.x)

    def resend(self, flight: Flight) -> None:
        """A batch is sent again."""
        again = flight.attempt == 1
        self._open[flight.pass_number].resent += again
        self.resent += again

    def end(self, name: str, now: float) -> list[PassReport]:
        """The reports of the passes that have ended now: in their order, so a pass waits for those before it."""
        reports = []
        while self._open and (first := next(iter(self._open.values()))).complete:
            reports.append(self._end(first, name, now))
        return reports

    def _end(self, tally: Tally, name: str, now: float) -> PassReport:
        del self._open[tally.number]
        self._finished += 1
        self._abandoned = 0
        report = tally.report(name, self._sentinel, since=self._last_end, now=now)
        self._last_end = now
        self.rest_until = tally.begun + self._sentinel.every if self._sentinel.mode == "validate" else now
        return report

    def abandon(self) -> int:
        """Forget what is not complete; gives how often in a row, with no pass done in between."""
        self._open.clear()
        self.drawing = None
        self._abandoned += 1
        return self._abandoned
