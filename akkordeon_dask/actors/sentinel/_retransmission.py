"""How long a sentinel waits for a batch."""

from dataclasses import dataclass

__all__ = ["RetransmissionTimer"]


@dataclass
class RetransmissionTimer:
    """A deadline that follows the times that were seen.

    As TCP's retransmission time-out (Jacobson, 'Congestion Avoidance and Control', SIGCOMM 1988):
    the smoothed time plus four deviations, here times a factor that is generous because
    a batch sent again costs a whole pass through the network.

    Parameters
    ----------
    first
        seconds, before anything was seen.
    least
        seconds, never below.
    factor
        what the estimate is multiplied with.
    """

    first: float = 30.0
    least: float = 2.0
    factor: float = 8.0
    _mean: float | None = None
    _deviation: float = 0.0

    def observe(self, seconds: float) -> None:
        """Take notice of a batch that took `seconds`, sent once."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
        else:
            self._deviation += (abs(seconds - self._mean) - self._deviation) / 4
            self._mean += (seconds - self._mean) / 8

    def seconds(self, attempt: int) -> float:
        """How long to wait for this attempt, from 1; each waits twice as long as the one before."""
        if self._mean is None:
            return self.first
        estimate = self.factor * (self._mean + 4 * self._deviation)
        return min(max(self.least, estimate) * 2.0 ** (attempt - 1), max(self.first, estimate))
