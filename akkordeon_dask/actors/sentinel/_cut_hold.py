"""The consistent cut for which a sentinel draws no batches."""

import math
from collections.abc import Callable

__all__ = ["CutHold"]


class CutHold:
    """The cut that a sentinel waits for; nobody else can make it wait beyond the deadline."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cut, self._since = "", 0.0
        self.until = -math.inf
        """The time until which it waits."""

    @property
    def active(self) -> bool:
        """It waits now."""
        return self._cut != "" and self._clock() < self.until

    def is_for(self, cut: str) -> bool:
        """It waits now, for this cut."""
        return self.active and self._cut == cut

    def begin(self, cut: str, seconds: float) -> None:
        """Wait for a cut in place of any other, at most so long."""
        self._cut, self._since = cut, self._clock()
        self.until = self._since + seconds

    def end(self, cut: str, go_on: bool) -> float | None:
        """Wait no longer for this cut, if it should `go_on`; returns the seconds that it has waited, if it has."""
        seconds = self._clock() - self._since if self.is_for(cut) else None
        if self._cut == cut and go_on:
            self._cut = ""
        return seconds
