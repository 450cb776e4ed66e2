"""The batches of a sentinel in flight."""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from akkordeon_dask.actors.sentinel._confusion import ConfusionCounts
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.messages import Header
from akkordeon_dask.nn import ScoreState
from akkordeon_dask.tree import Array

__all__ = ["BatchInFlight", "InFlightBatches"]

_WINDOW = 2
"""Batches per credit that may be finished, or in flight, while one is: no gradient is more updates late. Without the
one whose gradient has left a gate that has still to be updated with it."""
_LOST = 4096
"""Lost batches that a consistent cut lists, at most."""


@dataclass(slots=True)
class BatchInFlight:
    """A batch in flight: it holds one credit."""

    pass_number: int
    sequence: int
    x: Array
    target: Array | None
    opening: bool
    weights: Array | None = None
    """Of the samples; None: all are 1."""
    attempt: int = 0
    tries: int = 0
    """Attempts with the present gates."""
    finished_before: int = 0
    """Batches that were finished when the present attempt began."""
    hurried: bool = False
    """It was resent early, because it blocked all others."""
    sent: float = 0.0
    deadline: float = 0.0
    """Seconds for the present attempt."""
    loss: float | None = None
    """Set once the predictions of this attempt have arrived."""
    weight: float | None = None
    """Of this loss in that of the pass; None: the number of samples."""
    scores: dict[str, ScoreState] = field(default_factory=dict)
    """The state of each score, by its name."""
    confusion: ConfusionCounts | None = None
    """Its labels and predictions; None: it trains, or there are no classes."""
    excused: bool = False
    """It was in flight when a gate was restarted or moved: its loss is no fault that was not told."""
    skipped: bool = False
    """Its loss was not finite: it counts as lost."""
    trained: tuple[int, int] = (0, 0)
    """Updates and samples of the version that made the predictions."""

    @property
    def expires(self) -> float:
        """The time at which the present attempt is given up."""
        return self.sent + self.deadline


class InFlightBatches:
    """The batches of a sentinel in flight: which are overdue, which one blocks the others, and which ended as lost.

    It sends nothing. Iteration gives the batches in the order of their sequences.

    Parameters
    ----------
    timer
        says how long an attempt may take.
    max_attempts
        of a batch with the same gates, after which it is given up.
    """

    def __init__(self, timer: RetransmissionTimer, max_attempts: int) -> None:
        self._timer, self._max_attempts = timer, max_attempts
        self._batches: dict[int, BatchInFlight] = {}
        self._finished = 0
        """Batches that were completed or given up."""
        self._lost: deque[int] = deque(maxlen=_LOST)
        self.interrupted_until = 0.0
        """No batch is given up before this time, because the restart of a gate is waited for."""

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[BatchInFlight]:
        return iter(self._batches.values())

    @property
    def samples(self) -> int:
        """The samples of all batches in flight."""
        return sum(len(batch.x) for batch in self)

    @property
    def lost(self) -> tuple[int, ...]:
        """The sequences of the last batches that ended as lost."""
        return tuple(self._lost)

    def floor(self, drawn: int) -> int:
        """The sequence below which all batches are finished, when those below `drawn` were drawn."""
        return next(iter(self._batches), drawn)

    def matching(self, header: Header) -> BatchInFlight | None:
        """The batch whose present attempt a message is about; None: that attempt is over."""
        batch = self._batches.get(header.sequence)
        return batch if batch is not None and batch.attempt == header.attempt else None

    def add(self, batch: BatchInFlight) -> None:
        """Count a batch as in flight; its first attempt has yet to begin."""
        self._batches[batch.sequence] = batch

    def begin_attempt(self, batch: BatchInFlight, now: float) -> None:
        """Begin the next attempt of a batch."""
        batch.finished_before = self._finished
        batch.attempt += 1
        batch.tries += 1
        batch.loss = None
        batch.sent, batch.deadline = now, self._timer.seconds(batch.tries)

    def release(self, batch: BatchInFlight, *, lost: bool) -> None:
        """Remove a batch that is completed or given up."""
        del self._batches[batch.sequence]
        self._finished += 1
        if lost:
            self._lost.append(batch.sequence)

    def clear(self) -> None:
        """Forget all batches in flight, which are neither completed nor lost."""
        self._batches.clear()

    def blocking(self, concurrency: int) -> BatchInFlight | None:
        """The batch whose gradient another batch, drawn now, might make too late; None: there is none."""
        if not self._batches:
            return None
        oldest = min(self._batches.values(), key=attrgetter("finished_before"))
        passed = self._finished - oldest.finished_before + len(self._batches)
        return oldest if passed >= _WINDOW * concurrency else None

    def hurried_at(self, concurrency: int) -> float:
        """The time at which a batch that blocks all others is resent early, once: it may be lost."""
        blocking = self.blocking(concurrency)
        return math.inf if blocking is None or blocking.hurried else blocking.sent + self._timer.hurried

    def due(self, concurrency: int) -> float:
        """The earliest time at which a batch is resent or given up."""
        return min([self.hurried_at(concurrency), *(batch.expires for batch in self)])

    def postpone(self, seconds: float, now: float) -> None:
        """Wait that much longer for all; for those that were sent meanwhile, as from now."""
        for batch in self:
            batch.sent = min(now, batch.sent + seconds)

    def overdue(self, now: float) -> list[BatchInFlight]:
        """The batches whose present attempt has taken too long."""
        return [batch for batch in self if batch.expires <= now]

    def may_retry(self, batch: BatchInFlight, now: float) -> bool:
        """A batch may have another attempt; otherwise it is given up."""
        return batch.tries < self._max_attempts or now < self.interrupted_until
