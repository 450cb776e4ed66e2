"""Readers of streams: some batches come at once, others when they are let out."""

import queue
import threading

import numpy as np

from akkordeon_dask import data
from akkordeon_dask.actors.sentinel._batch_reader import BatchReader, NoBatch, make_batch_reader
from tests.support.patience import PATIENCE


def batch(number):
    return np.full((2, 4), number, np.float32), np.arange(2 * number, 2 * number + 2)


def numbers(drawn):
    """Which of the batches were drawn; None where there was none."""
    return [None if isinstance(one, NoBatch) else int(one[0][0, 0]) for one in drawn]


def reading(batches, **options):
    return BatchReader(data.stream(batches).open(), 2, **{"endless_passes": False} | options)


class Slow:
    """A stream of batches that come when they are let out; `make` is its provider's function."""

    def __init__(self):
        self.let_out, self.closed, self.runs = queue.SimpleQueue(), threading.Event(), 0

    def make(self):
        self.runs += 1
        try:
            while (number := self.let_out.get(timeout=PATIENCE)) is not None:
                if isinstance(number, Exception):
                    raise number
                yield batch(number)
        finally:
            self.closed.set()


class Threaded:
    """A `BackgroundBatchReader` of a slow stream, and what it wakes."""

    def __init__(self, *, endless=False):
        self.slow, self.woken = Slow(), threading.Semaphore(0)
        self.reader = make_batch_reader(
            data.stream(self.slow.make).open(), 2, endless_passes=endless, wake=self.woken.release, name="the reader"
        )

    def draw(self, pass_number=1, epoch=1):
        """Ask, and ask again when woken."""
        drawn = self.reader.draw(pass_number, epoch)
        while drawn is NoBatch.PENDING:
            assert self.woken.acquire(timeout=PATIENCE)
            drawn = self.reader.draw(pass_number, epoch)
        return drawn

    def close(self):
        self.slow.let_out.put(None)
        self.reader.close(timeout=PATIENCE)
        assert "the reader" not in [thread.name for thread in threading.enumerate()]
