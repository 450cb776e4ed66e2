"""A first pass that goes on and on: what to do where the data never end."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from akkordeon_dask.runtime import Attached

__all__ = ["length_note", "note_of_length"]

_LONG = 20.0
"""Seconds of a first pass after which it is said that nobody knows its end."""
_POLL_S = 1.0
"""Seconds between two questions for the progress."""
_FLUSH_S = 5.0
"""Seconds for a terminal to take the line."""


def length_note(attached: Attached) -> str | None:
    """What to say of a first pass that has gone on for long without a known end; None where there is nothing to say."""
    progress = attached.progress
    if attached.sentinel.endless or attached.reports.seen:
        return None
    if progress is None or progress.total is not None or progress.seconds < _LONG:
        return None
    return (
        f"the first pass of sentinel {attached.name} goes on, {progress.samples:,} samples so far, and its data do not "
        "say how many they are. A line comes at its end; of data that never end, --report-every 10s prints one so often"
    )


@contextmanager
def note_of_length(attached: Attached, say: Callable[[str, str], None]) -> Iterator[None]:
    """Say that note meanwhile, once, in a thread of its own."""
    ended = threading.Event()

    def watch() -> None:
        while not attached.reports.seen and not ended.wait(_POLL_S):
            if (note := length_note(attached)) is not None:
                with contextlib.suppress(OSError):  # the reader of the pipe has ended
                    say("note", note)
                return

    watcher = threading.Thread(target=watch, name="akkordeon first pass", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(_FLUSH_S)
