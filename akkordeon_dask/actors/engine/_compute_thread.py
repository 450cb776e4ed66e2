"""What the dispatcher knows of one of its threads."""

import math
import threading
import time

from akkordeon_dask.actors.engine._behavior import Computation
from akkordeon_dask.actors.engine._cell import Cell

__all__ = ["ComputeThread", "seconds_without_core"]

_LONG, _SHARE = 1.0, 0.1
"""A thread is stuck that has spent so many seconds with one message, and no more than this share of them on the CPU."""


class ComputeThread:
    """A thread of the dispatcher's, or a reader that works in the place of one. The dispatcher's lock guards it."""

    __slots__ = (
        *("_clock", "_first", "cell", "computation", "cost", "leaving", "name", "seconds", "since", "stuck", "thread"),
        *("waits", "wakeup"),
    )

    def __init__(self, thread: threading.Thread, name: str) -> None:
        self.thread, self.name = thread, name
        self.wakeup = threading.Lock()
        """Released by whoever wakes it."""
        self.wakeup.acquire()
        self.cell: Cell | None = None
        """Whose message it handles."""
        self.since = 0.0
        """The time when that message began."""
        self.cost = 0.0
        """The CPU seconds that the message is expected to take, where it is heavy; else 0."""
        self.computation: Computation | None = None
        """The present one. Set by the thread, and read by the watch."""
        self.waits = False
        """Its present computation may sit without using the CPU."""
        self.stuck = False
        """Another thread is in its place until it goes on."""
        self.leaving = False
        """It ends as soon as it has nothing to do."""
        self._clock: int | None = None
        self._first = math.nan, 0.0
        """When the message began that was looked at last, and the CPU seconds it had wanted at the first look."""
        self.seconds = 0.0
        """For which it has been at that message, in looks."""

    def measure_cpu(self) -> None:
        """Let others see how long it computes. In the thread."""
        if hasattr(time, "pthread_getcpuclockid"):  # not on every system
            self._clock = time.pthread_getcpuclockid(threading.get_ident())

    @property
    def measures_cpu(self) -> bool:
        """It is known how long it computes."""
        return self._clock is not None

    def cpu(self) -> float:
        """Seconds of CPU that it has used; 0 where that is not known, or the thread has ended."""
        try:
            return time.clock_gettime(self._clock) if self._clock is not None else 0.0
        except OSError:
            return 0.0

    def gets_stuck(self, passed: float) -> bool:
        """It has been long with its message since it was looked at first, and has hardly computed, or wanted to.

        `passed`: the seconds since the last look that count.
        """
        if self._clock is None or self.waits or self.stuck:
            return False
        wanted = time.clock_gettime(self._clock) + seconds_without_core(self.thread)
        if self._first[0] != self.since:
            self._first, self.seconds = (self.since, wanted), 0.0
            return False
        self.seconds += passed
        self.stuck = self.seconds > _LONG and wanted - self._first[1] < _SHARE * self.seconds
        return self.stuck


def seconds_without_core(thread: threading.Thread) -> float:
    """Seconds that a thread of this process has been ready, and others had the cores; 0 where no system tells."""
    try:
        with open(f"/proc/self/task/{thread.native_id}/schedstat", "rb") as file:
            return int(file.read().split()[1]) * 1e-9
    except (OSError, IndexError, ValueError):
        return 0.0
