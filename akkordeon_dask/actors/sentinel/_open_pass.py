"""What a sentinel adds up over a pass."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from akkordeon_dask.actors.sentinel._position import PassPosition
from akkordeon_dask.actors.sentinel._score_states import Ratings, joined, results, taken_up
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import Address, Header, Mode, PassProgress, PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.nn import Score
from akkordeon_dask.tree import Array

__all__ = ["BatchInFlight", "OpenPass"]


@dataclass(slots=True)
class BatchInFlight:
    """A batch under way: it holds one credit."""

    pass_number: int
    sequence: int
    x: Array
    target: Array | None
    opening: bool
    attempt: int = 0
    tries: int = 0
    """Attempts with the present gates."""
    sent: float = 0.0
    expires: float = 0.0
    loss: float | None = None
    """Set once the predictions of this attempt are there."""
    ratings: Ratings = field(default_factory=dict)
    skipped: bool = False
    """Its loss was not finite: it counts as lost."""
    trained: tuple[int, int] = (0, 0)
    """Updates and samples of the version that predicted."""

    def header(self, me: tuple[str, int, str, Address], floor: int, mode: Mode, wait: float) -> Header:
        """What the messages of the present attempt say, `wait` seconds of patience included."""
        place = self.pass_number, self.sequence, floor, self.attempt
        return Header(*me, *place, mode, self.opening, wait)


@dataclass(slots=True)
class OpenPass:
    """A pass that is not finished."""

    number: int
    epoch: int
    begun: float
    first: int = 0
    """The sequence of its first batch."""
    drawn: int = 0
    """Batches that were drawn."""
    finished: int = 0
    """Batches that came home or were given up."""
    closed: bool = False
    """No more batches will be drawn for it."""
    samples: int = 0
    lost: int = 0
    resent: int = 0
    loss: float = 0.0
    """Summed over samples."""
    ratings: Ratings = field(default_factory=dict)
    trained: tuple[int, int] = (0, 0)
    """Updates of the network, and the samples of them, as far as this pass has seen."""
    ended: float | None = None
    """When the last batch came home; it may be reported later."""
    _floor: int = 0
    _finished_above_floor: set[int] = field(default_factory=set)
    """Places in the pass: all batches below the floor are finished, and these above it."""

    @classmethod
    def resume(cls, position: PassPosition, scores: Iterable[Score], now: float) -> "OpenPass":
        """A pass that a former life has begun: nothing is drawn for it yet."""
        return cls(
            number=position.number,
            epoch=position.number,
            begun=now - position.seconds,
            first=position.first,
            finished=position.finished,
            samples=position.samples,
            lost=position.lost,
            resent=position.resent,
            loss=position.loss,
            ratings=taken_up(scores, position.scores),
            _floor=position.floor,
            _finished_above_floor=set(position.beyond),
        )

    def position(self, now: float) -> PassPosition:
        """What another life needs to go on with it."""
        places = self.first, self._floor, tuple(sorted(self._finished_above_floor))
        counts = self.samples, self.lost, self.resent
        return PassPosition(self.number, *places, *counts, self.loss, self.ratings, now - self.begun)

    def draw(self) -> bool:
        """One more batch was drawn; False: it was finished in a former life."""
        place = self.drawn
        self.drawn += 1
        return place >= self._floor and place not in self._finished_above_floor

    def close(self) -> None:
        """No more batches will be drawn: what a former life had finished beyond them is of other data."""
        self.closed = True
        self.finished = min(self._floor, self.drawn) + sum(place < self.drawn for place in self._finished_above_floor)

    @property
    def complete(self) -> bool:
        """Every batch of the pass is accounted for."""
        return self.closed and self.finished == self.drawn

    def add(self, flight: BatchInFlight, scores: Iterable[Score]) -> None:
        """Count a batch that came home."""
        samples = len(flight.x)
        assert flight.loss is not None
        self._finish(flight)
        self.samples += samples
        self.trained = max(self.trained, flight.trained)
        self.loss += flight.loss * samples
        self.ratings = joined(scores, self.ratings, flight.ratings)

    def give_up(self, flight: BatchInFlight) -> None:
        """Count a batch that was lost for good."""
        self._finish(flight)
        self.lost += len(flight.x)

    def _finish(self, flight: BatchInFlight) -> None:
        self.finished += 1
        self._finished_above_floor.add(flight.sequence - self.first)
        while self._floor in self._finished_above_floor:
            self._finished_above_floor.remove(self._floor)
            self._floor += 1

    def report(self, name: str, sentinel: Sentinel, *, since: float, now: float) -> PassReport:
        """The finished pass; its time begins at `since`, unless its first batch came later or its last one before."""
        ended = now if self.ended is None else self.ended
        begun = since if self.begun < since < ended else self.begun
        loss, scores = self._rating(sentinel)
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
        )

    def progress(self, sentinel: Sentinel, total: int | None, *, now: float) -> PassProgress:
        """How far it is, of `total` samples."""
        try:
            loss, scores = self._rating(sentinel)
        except AkkordeonError:  # of a user's score: told when the pass is reported
            loss, scores = self.loss / self.samples, {}
        return PassProgress(self.epoch, self.samples + self.lost, total, loss, scores, now - self.begun)

    def _rating(self, sentinel: Sentinel) -> tuple[float, dict[str, float]]:
        """Loss and scores of the samples that came home."""
        share = 1 / self.samples if self.samples else math.nan
        return self.loss * share, results(sentinel.scores if sentinel.mode != "predict" else (), self.ratings)
