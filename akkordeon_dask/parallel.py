"""Helpers: threads that compute where cores are idle.

BLAS has one pool of threads a process, and a call spins until all of them have done their part: two gates
that multiply at once wait for one another, and any other thread that gets a core holds both up. So each
product runs on one BLAS thread, and it is whole computations that run beside one another: when a gate
has more than one batch to work on and a core is idle, a helper takes one.

Threads: a lock guards the counts; tasks wait in a C queue. Helpers live from `start` to `stop`.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Helpers", "cores", "helpers"]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Helpers:
    """Threads that take a task only where a core is idle.

    Parameters
    ----------
    cores
        how many threads may compute at once, callers and helpers together.
    """

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._computing = 0
        self._lock = threading.Lock()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Make the threads, one fewer than there are cores. Does nothing when they are there."""
        with self._lock:
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
            if not self._threads or self._computing + 2 > self._cores:
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
        while (task := self._tasks.get()) is not None:
            try:
                task()
            finally:
                with self._lock:
                    self._computing -= 1
                del task


helpers = Helpers(cores())
"""The process's helpers. Started and stopped by whoever counts the gates of the process."""
