"""Helpers: threads that compute where cores are idle.

BLAS has one pool of threads a process, and a call spins until all of them have done their part: two gates
that multiply at once wait for one another, and any other thread that gets a core holds both up. So each
product runs on one BLAS thread, and it is whole computations that run beside one another: when a gate
has more than one batch to work on and a core is idle, a helper takes one.

A helper has the lowest priority: the threads that wake in between, for a message or the interpreter, take its core and
not the one of a gate that computes. So where other programs have the cores it hardly runs, and what it has begun is
late: then helpers take nothing for a while.

Threads: a lock guards the counts; tasks wait in a C queue. Helpers live from `start` to `stop`.
"""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from akkordeon_dask.actors.engine._background import Background

__all__ = ["Helpers", "cores", "helpers"]


_LATE, _HELD_UP, _LONGEST_REST = 0.02, 16.0, 60.0
"""A task was held up where it waited for cores longer than `_LATE` seconds and `_HELD_UP` times as long as it computed.
Behind nothing but the process's own threads one in 100 waits ten times as long; beside programs that compute on all
cores many wait 70 times. Then helpers take nothing for as long as it waited, and for twice as long as the last time
where they have not worked that long since; at most `_LONGEST_REST`."""


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Helpers:
    """Threads that take a task only where a core is idle.

    Parameters
    ----------
    cores
        how many threads may compute at once, callers and helpers together.
    clock
        seconds.
    background
        makes what a helper enters.
    """

    def __init__(
        self,
        cores: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        background: Callable[[], Background] = Background,
    ) -> None:
        self._cores, self._clock, self._background = cores, clock, background
        self._rest = self._rested = 0.0
        self._computing = 0
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Make the threads, one fewer than there are cores. Does nothing when they are there."""
        with self._lock:
            self._rest = self._rested = 0.0
            for number in range(len(self._threads), self._cores - 1):
                thread = threading.Thread(target=self._run, name=f"akkordeon helper {number}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """End the threads after what they work on."""
        with self._lock:
            threads, self._threads = self._threads, []
            for _ in threads:
                self._tasks.put(None)
        for thread in threads:
            thread.join()

    def offer(self, task: Callable[[], None]) -> bool:
        """Have a helper run the task, which must not raise; False when no core is idle beside the caller's."""
        with self._lock:
            if not self._threads or self._computing + 2 > self._cores or self._clock() < self._rested:
                return False
            self._computing += 1
            self._tasks.put(task)
        return True

    @contextmanager
    def computing(self) -> Iterator[None]:
        """The caller computes in this block: it takes a core."""
        with self._lock:
            self._computing += 1
        try:
            yield
        finally:
            with self._lock:
                self._computing -= 1

    def _run(self) -> None:
        with self._background() as background:
            before = background.times()
            while (task := self._tasks.get()) is not None:
                try:
                    task()
                finally:
                    after = background.times()
                    self._ended(*(new - old for old, new in zip(before, after, strict=True)))
                    before = after
                    del task

    def _ended(self, computed: float, waited: float) -> None:
        with self._lock:
            self._computing -= 1
            now = self._clock()
            since = now - self._rested
            if waited > max(_LATE, _HELD_UP * computed) and since >= 0:  # else another's wait has said so already
                self._rest = min(2 * self._rest if since < self._rest else waited, _LONGEST_REST)
                self._rested = now + self._rest


helpers = Helpers(cores())
"""The process's helpers. Started and stopped by whoever counts the gates of the process."""
