"""Large matrix products on all idle cores, with the same bits on any number of them.

BLAS has one pool of threads a process: two gates that multiply at once wait for one another, spinning.
Here a product is cut into pieces, always the same ones, each done by a BLAS call on one thread. The caller
works on the pieces; where cores are idle, helpers take some of them.

Threads: helpers live from `start` to `stop`, asleep while there is nothing to do. A job's pieces and their end are
counted by `itertools.count`, whose `next` is atomic. Helpers write only into the piece of `out` that they took; the
caller waits for all. The list of helpers and the count of who multiplies are guarded by a lock.
"""

import itertools
import os
import queue
import threading
from collections.abc import Iterator

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["cores", "matmul", "start", "stop"]

_WORTH = 4_000_000
"""Multiply-adds below which a product is not cut: about 60 us of one core."""
_PIECES = 4


class _Job:
    """A product that is under way."""

    __slots__ = ("a", "all_ended", "b", "bounds", "ended", "error", "out", "taken")

    def __init__(self, a: Array, b: Array, out: Array, bounds: list[slice]) -> None:
        self.a, self.b, self.out, self.bounds = a, b, out, bounds
        self.taken: Iterator[int] = itertools.count()
        self.ended: Iterator[int] = itertools.count(1)
        self.all_ended = threading.Lock()
        self.all_ended.acquire()
        self.error: BaseException | None = None

    def work(self) -> None:
        """Do pieces until none is left to take."""
        pieces = len(self.bounds)
        while (piece := next(self.taken)) < pieces:
            rows = self.bounds[piece]
            try:
                np.matmul(self.a[rows], self.b, out=self.out[rows])
            except BaseException as error:
                self.error = error
            if next(self.ended) == pieces:
                self.all_ended.release()


class _Helpers:
    """The threads that help, and how many threads multiply now."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._multiplying = 0

    def start(self, count: int) -> None:
        with self._lock:
            for number in range(len(self._threads), count):
                thread = threading.Thread(target=self._help, name=f"akkordeon helper {number}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        with self._lock:
            threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join()

    def run(self, job: _Job) -> None:
        with self._lock:
            self._multiplying += 1
            idle = len(self._threads) + 1 - self._multiplying
        try:
            for _ in range(idle):
                self._jobs.put(job)
            job.work()
            job.all_ended.acquire()
        finally:
            with self._lock:
                self._multiplying -= 1
        if job.error is not None:
            raise job.error

    def _help(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.work()
            del job


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_helpers = _Helpers()


def start(helpers: int | None = None) -> None:
    """Make the helpers: by default one fewer than there are cores. Without them the caller does all pieces."""
    _helpers.start(cores() - 1 if helpers is None else helpers)


def stop() -> None:
    """End the helpers; products under way are finished by their callers."""
    _helpers.stop()


def matmul(a: Array, b: Array, out: Array) -> Array:
    """`a @ b` into `out : (m, n)`, for `a : (m, k)` and `b : (k, n)`; gives `out`."""
    m = len(a)
    if m * b.size < _WORTH or m < 2 * _PIECES:
        return np.matmul(a, b, out=out)
    step = -(-m // _PIECES)
    _helpers.run(_Job(a, b, out, [slice(begin, begin + step) for begin in range(0, m, step)]))
    return out
