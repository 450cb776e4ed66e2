"""A thread that looks now and then whether the others get on."""

import threading
from collections.abc import Callable

__all__ = ["Watch"]


class Watch:
    """Calls `look` again and again, from its construction until `stop`.

    Parameters
    ----------
    look
        looks once, and returns the seconds until it wants to look again.
    """

    def __init__(self, look: Callable[[], float]) -> None:
        self._look = look
        self._bell = threading.Event()
        self._stopped = False
        self.thread = threading.Thread(target=self._run, name="akkordeon watch", daemon=True)
        self.thread.start()

    def hurry(self) -> None:
        """Look at once. Any thread."""
        self._bell.set()

    def stop(self) -> None:
        """End. Any thread."""
        self._stopped = True
        self._bell.set()

    def _run(self) -> None:
        while not self._stopped:
            self._bell.wait(self._look())
            self._bell.clear()
