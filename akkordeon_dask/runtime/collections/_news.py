"""News of a group: those that wait for a condition ask again whenever something has changed."""

import asyncio
from collections.abc import Callable

__all__ = ["News"]


class News:
    """Wakes those that wait, and tells the session.

    It knows no group: one that is detached is in no cycle, and its collections leave the cluster at once.

    Parameters
    ----------
    changed
        called with all news too.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed, self._event = changed, asyncio.Event()

    def wake(self) -> None:
        """Let those that wait check again: something has changed."""
        self._event.set()
        self._changed()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        while not condition():
            self._event.clear()
            await self._event.wait()
