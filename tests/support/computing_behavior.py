"""A behavior whose messages set computations off."""

import threading

from akkordeon_dask.actors.engine._behavior import HOLD
from tests.support.recording_behavior import RecordingBehavior


class Work:
    """A computation that calls `run_it`, and says when it is sent."""

    samples = 4

    def __init__(self, name, run_it, done, *, waits=False):
        self.name, self._run_it, self._done, self.waits = name, run_it, done, waits

    @property
    def title(self):
        return self.name

    def run(self):
        self._run_it()

    def send(self):
        self._done(f"{self.name} sent")


class ComputingBehavior(RecordingBehavior):
    """Each batch is a computation of `run_it`; one thread at a time is in here, or `note` fails.

    Parameters
    ----------
    holds
        sequences of batches that wait for the computations under way.
    """

    def __init__(self, run_it=lambda: None, *, holds=(), waits=False):
        super().__init__()
        self.run_it, self.holds, self.waits = run_it, holds, waits
        self.under_way = 0
        self._alone = threading.Lock()

    def note(self, call):
        assert self._alone.acquire(blocking=False), "two threads are at one actor"
        super().note(call)
        self._alone.release()

    def receive(self, message):
        sequence = getattr(getattr(message, "header", None), "sequence", None)
        if sequence is None:
            return super().receive(message)
        if sequence in self.holds and self.under_way:
            return HOLD
        self.note(f"received {sequence}")
        self.under_way += 1
        return Work(f"batch {sequence}", self.run_it, self.calls.append, waits=self.waits)

    def apply(self, computation):
        self.under_way -= 1
        self.note(f"{computation.name} applied")
