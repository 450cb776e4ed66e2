"""How long a sentinel waits for a batch before it sends it again."""

from dataclasses import dataclass

__all__ = ["RetransmissionTimer"]

_HURRIED, _SHARE = 2.0, 0.1
"""Round trips, and share of the shortest time-out."""


@dataclass
class RetransmissionTimer:
    """The seconds after which a batch is resent: they follow the observed round trips.

    As TCP's retransmission time-out (Jacobson, 'Congestion Avoidance and Control', SIGCOMM 1988):
    the smoothed time plus four deviations, here times a factor that is generous because
    a batch sent again costs a whole pass through the network. What was sent twice tells no round trip: until one that
    was sent once does, the time-out stays at what the last one needed (Karn, Partridge, 'Improving Round-Trip Time
    Estimates in Reliable Transport Protocols', SIGCOMM 1987).

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
    _attempts: int = 1
    """Those of the last batch that ended, if it was resent."""

    def observe(self, seconds: float) -> None:
        """Note the round trip of a batch that was sent once."""
        self._attempts = 1
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
        else:
            self._deviation += (abs(seconds - self._mean) - self._deviation) / 4
            self._mean += (seconds - self._mean) / 8

    def back_off(self, attempts: int) -> None:
        """Note that a batch took so many attempts, or was given up after them."""
        self._attempts = attempts

    @property
    def hurried(self) -> float:
        """The seconds after which a batch is resent that many others have overtaken, as TCP's fast retransmit does."""
        if self._mean is None:
            return self.first
        return max(_SHARE * self.least, _HURRIED * (self._mean + 4 * self._deviation))

    def seconds(self, attempt: int) -> float:
        """The time-out of this attempt, from 1; each waits twice as long as the one before."""
        attempt = max(attempt, self._attempts)
        if self._mean is None:
            return self.first
        estimate = self.factor * (self._mean + 4 * self._deviation)
        return min(max(self.least, estimate) * 2.0 ** (attempt - 1), max(self.first, estimate))
