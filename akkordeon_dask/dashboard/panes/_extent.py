"""Least and greatest value of a curve."""

import math

__all__ = ["Extent"]

_ENOUGH = 3
"""Values after the first that show how far the others go."""


class Extent:
    """Least and greatest of values that come one by one, without a first one that would flatten the rest.

    A network that is not trained yet has a loss many times as high as any that follows: the first value counts only
    where it takes no more than half of the height.
    """

    def __init__(self) -> None:
        self._first = math.nan
        self._low, self._high, self._others = math.inf, -math.inf, 0

    def add(self, value: float) -> None:
        """Take the next one, which is finite."""
        if math.isnan(self._first):
            self._first = value
        else:
            self._low, self._high = min(self._low, value), max(self._high, value)
            self._others += 1

    @property
    def span(self) -> tuple[float, float] | None:
        """Least and greatest; None before the first."""
        if math.isnan(self._first):
            return None
        low, high = min(self._low, self._first), max(self._high, self._first)
        if self._others >= _ENOUGH and high - low > 2 * (self._high - self._low):
            return self._low, self._high
        return low, high
