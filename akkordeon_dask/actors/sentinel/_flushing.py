"""The question of a sentinel whether the step of its last batches has ended."""

import math
from collections.abc import Callable

from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer

__all__ = ["Flushing"]


class Flushing:
    """Whether a sentinel has asked for the end of the step that its batches belong to, and has the answer."""

    def __init__(self, clock: Callable[[], float], timer: RetransmissionTimer) -> None:
        self._clock, self._timer = clock, timer
        self.done = True
        """All gates have updated with all of its batches that are finished."""
        self.expires = math.inf
        """The time at which the last question is given up."""
        self._tries = 0
        """Questions since the last batch."""

    def restart(self, *, done: bool) -> None:
        """Forget the questions: a batch follows, or its step has ended."""
        self.done, self._tries, self.expires = done, 0, math.inf

    def asks(self) -> bool:
        """A question is due: none has been asked, or the last one is given up. It counts as asked now."""
        now = self._clock()
        if self.done or (self._tries and now < self.expires):
            return False
        self._tries += 1
        self.expires = now + self._timer.seconds(self._tries)
        return True
