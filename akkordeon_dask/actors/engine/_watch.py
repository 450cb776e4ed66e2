"""A thread that inspects the others now and then."""

import threading
from collections.abc import Callable

__all__ = ["Watch"]


class Watch:
    """Calls `inspect` again and again, from its construction until `stop`.

    Parameters
    ----------
    inspect
        inspects once, and returns the seconds until the next inspection.
    """

    def __init__(self, inspect: Callable[[], float]) -> None:
        self._inspect = inspect
        self._bell = threading.Event()
        self._stopped = False
        self.thread = threading.Thread(target=self._run, name="akkordeon watch", daemon=True)
        self.thread.start()

    def hurry(self) -> None:
        """Inspect at once. Any thread."""
        self._bell.set()

    def stop(self) -> None:
        """End. Any thread."""
        self._stopped = True
        self._bell.set()

    def _run(self) -> None:
        while not self._stopped:
            self._bell.wait(self._inspect())
            self._bell.clear()
