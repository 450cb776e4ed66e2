"""A sentinel's core together with its data."""

from collections.abc import Callable

from akkordeon_dask.actors._feed import Feed, Nothing
from akkordeon_dask.actors._sentinel_core import SentinelCore
from akkordeon_dask.errors import AkkordeonError, SentinelError
from akkordeon_dask.messages import Message

__all__ = ["Driver", "Wake"]


class Wake:
    """Put into the mailbox when a batch has been drawn elsewhere."""


class Driver:
    """What the thread of a sentinel drives: messages go to the core, and the core gets all batches it wants.

    `changed` is called when the core's state changes, or the last batch under way has come home.
    """

    def __init__(self, core: SentinelCore, changed: Callable[[], None]) -> None:
        self.core = core
        self.feed: Feed | None = None
        self._changed = changed
        self._known: tuple[str, bool] = (core.state, True)

    def handle(self, message: Message | Wake) -> bool:
        """Work on one message, then send what the credits allow; True where the next pass has to be waited for."""
        if not isinstance(message, Wake):
            self.core.handle(message)
        self._fill()
        return self.core.rests

    def tick(self, now: float) -> float:
        """Look at the clock, then send what the credits allow."""
        self.core.tick(now)
        self._fill()
        return self.core.tick(now)

    def close(self) -> None:
        """Tell the gates, let go of the data."""
        self.core.close()
        if self.feed is not None:
            self.feed.close(timeout=1.0)

    def _fill(self) -> None:
        self._draw()
        seen = (self.core.state, self.core.in_flight == 0)
        if seen != self._known:
            self._known = seen
            self._changed()

    def _draw(self) -> None:
        core = self.core
        while self.feed is not None and core.wants():
            assert core.drawing is not None
            try:
                drawn = self.feed.draw(*core.drawing)
            except AkkordeonError as error:
                core.fail(error)
                return
            except Exception as error:
                provider = core.sentinel.provider
                core.fail(SentinelError(f"sentinel {core.name!r}: {provider!r} raised {error!r}: mend the provider"))
                return
            if drawn is Nothing.PENDING:
                return
            if drawn is Nothing.END:
                core.exhausted()
            else:
                core.offer(*drawn)
