"""The interpreter is handed over sooner while actors compute."""

import sys
import threading

__all__ = ["SWITCH_INTERVAL", "restore_switch_interval", "shorten_switch_interval"]

SWITCH_INTERVAL = 2e-4
"""Seconds for which a thread keeps the interpreter that another one waits for. With Python's own 5 ms, an event loop
waits so long at each of its steps beside layers that are too small to give the interpreter away by themselves."""

_lock = threading.Lock()
"""Held while the setting and these two are changed, by the thread of whichever dispatcher begins or ends."""
_users = 0
"""Dispatchers at work."""
_before: float | None = None
"""The setting that was there; None: it is not changed."""


def shorten_switch_interval() -> None:
    """Shorten it until as many calls of `restore_switch_interval`; one that is shorter stays."""
    global _users, _before  # noqa: PLW0603 - the setting is global, so is the memory of what it was
    with _lock:
        _users += 1
        present = sys.getswitchinterval()
        if _users == 1 and present > SWITCH_INTERVAL:
            _before = present
            sys.setswitchinterval(SWITCH_INTERVAL)


def restore_switch_interval() -> None:
    """A dispatcher has ended: the last one brings back what was there, where nobody has set another one since."""
    global _users, _before  # noqa: PLW0603 - as above
    with _lock:
        _users -= 1
        if _users or _before is None:
            return
        if abs(sys.getswitchinterval() - SWITCH_INTERVAL) < 1e-6:  # it is kept in microseconds
            sys.setswitchinterval(_before)
        _before = None
