"""The batches of a sentinel in flight, and how long it waits for them."""

from dataclasses import dataclass, field

from akkordeon_dask.actors.sentinel._confusion import ConfusionCounts
from akkordeon_dask.nn import ScoreState
from akkordeon_dask.tree import Array

__all__ = ["BatchInFlight", "RetransmissionTimer"]

_HURRIED, _SHARE = 2.0, 0.1
"""Round trips, and share of the shortest time-out."""


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

    def next_attempt(self, now: float, timer: "RetransmissionTimer", finished: int) -> None:
        """Begin another attempt, when so many batches are finished."""
        self.finished_before = finished
        self.attempt += 1
        self.tries += 1
        self.loss = None
        self.sent, self.deadline = now, timer.seconds(self.tries)


@dataclass
class RetransmissionTimer:
    """The seconds after which a batch is resent: they follow the observed round trips.

    As TCP's retransmission time-out (Jacobson, 'Congestion Avoidance and Control', SIGCOMM 1988):
    the smoothed time plus four deviations, here times a factor that is generous because
    a batch sent again costs a whole pass through the network.

    Parameters
    ----------
    first
        seconds, before the first observation.
    least
        seconds, never below.
    factor
        multiplies the estimate.
    """

    first: float = 30.0
    least: float = 2.0
    factor: float = 8.0
    _mean: float | None = None
    _deviation: float = 0.0

    def observe(self, seconds: float) -> None:
        """Note the round trip of a batch that was sent once."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
        else:
            self._deviation += (abs(seconds - self._mean) - self._deviation) / 4
            self._mean += (seconds - self._mean) / 8

    @property
    def hurried(self) -> float:
        """The seconds after which a batch is resent that many others have overtaken, as TCP's fast retransmit does."""
        if self._mean is None:
            return self.first
        return max(_SHARE * self.least, _HURRIED * (self._mean + 4 * self._deviation))

    def seconds(self, attempt: int) -> float:
        """The time-out of this attempt, from 1; each waits twice as long as the one before."""
        if self._mean is None:
            return self.first
        estimate = self.factor * (self._mean + 4 * self._deviation)
        return min(max(self.least, estimate) * 2.0 ** (attempt - 1), max(self.first, estimate))
