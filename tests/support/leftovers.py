"""Leftovers of this package in a process, and waiting for them to go."""

import threading
import time
from collections.abc import Callable

from tests.support.patience import PATIENCE

_LOOK = 0.1
"""Seconds that a look at a condition counts at most."""


def akkordeon_threads() -> list[str]:
    """The names of the living threads that this package has made in this process."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("akkordeon")]


def wait_until(
    condition: Callable[[], bool], within: float = PATIENCE, seen: Callable[[], object] = lambda: ""
) -> None:
    """Return once `condition` holds, for what tells nobody of itself; fail after `within` seconds, naming `seen`.

    The seconds are counted in looks, so that those in which the whole machine stands still count little.
    """
    last, waited = time.monotonic(), 0.0
    while not condition():
        assert waited < within, f"after {within:g} s it still does not hold: {seen()}"
        time.sleep(0.005)
        now = time.monotonic()
        last, waited = now, waited + min(now - last, _LOOK)
