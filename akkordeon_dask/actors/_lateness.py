"""How much later than asked a timer came."""

import math

__all__ = ["Lateness"]

_TOLERATED = 0.5
"""Seconds, as between two turns of a busy process."""


class Lateness:
    """The lateness of an actor's timer: meanwhile its mail was not read, so that no deadline of an answer has passed.

    A machine that stands still, or a process that is held up, runs the timer before it has read what came.
    """

    def __init__(self) -> None:
        self._due = math.inf

    def at(self, now: float) -> float:
        """The seconds by which a timer that comes now is too late; 0 where it is about punctual."""
        late = now - self._due
        return late if late > _TOLERATED else 0.0

    def expect(self, due: float) -> None:
        """Note when the timer should come next."""
        self._due = due
