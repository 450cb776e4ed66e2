"""Which computations are worth a helper."""

__all__ = ["CostEstimate"]

_LIGHT, _WEIGHT = 3e-4, 0.1


class CostEstimate:
    """How much CPU a kind of work has taken lately. Owned by one thread.

    To hand a computation over to another thread takes 0.05 to 0.1 ms where other threads want the interpreter too: what
    takes little longer is done at once. Nor does it count as taking a core, which would keep a helper from what is
    worth it, for as long as the heavy gate's own thread computes.
    """

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = _LIGHT
        """A moving average; what was never seen counts as just too much."""

    def update(self, seconds: float) -> None:
        """It was done again, in so many seconds of CPU."""
        self.seconds += _WEIGHT * (seconds - self.seconds)

    @property
    def is_cheap(self) -> bool:
        """Not worth a helper."""
        return self.seconds < _LIGHT
