"""Snapshots written beside the work: a thread that takes what it is given."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from akkordeon_dask.errors import ClosedError, DeadlineError
from akkordeon_dask.snapshots._tree_format import describe
from akkordeon_dask.tree import Tree

__all__ = ["Result", "Saves", "Writer", "WriterStatistics"]

logger = logging.getLogger(__name__)

Result = Callable[[str, int, Exception | None, float, int], None]
"""`on_result(series, number, error, seconds, bytes)`: what came of a snapshot; error is None where it was written."""


class Saves(Protocol):
    """What a writer writes to: a `Store`, or a stand-in."""

    def save(self, series: str, tree: Tree, *, number: int, facts: Mapping[str, Any], generation: int) -> str:
        """Write a snapshot and wait for it. Runs in the writer's thread."""


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """What a writer did so far."""

    written: int = 0
    dropped: int = 0
    """Waited until a newer one of the same series came, or until the writer was closed."""
    failed: int = 0
    bytes: int = 0
    """Of the arrays that were written."""
    seconds: float = 0.0
    """That writing took, failures included."""
    last_error: str | None = None
    numbers: Mapping[str, int] = field(default_factory=dict)
    """The last number written of each series."""
    waiting: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    ticket: int
    series: str
    tree: Tree
    number: int
    facts: Mapping[str, Any]
    generation: int


class Writer:
    """One thread that writes the snapshots it is given, the series in turn; of a series the newest waiting wins.

    What is put is given away: nobody writes into its arrays again, so no copy is made. Whoever makes a writer
    closes it.

    Threads: any thread may put, flush and close; a lock guards what waits and what was counted, and is
    never held while something is written.

    Parameters
    ----------
    store
        where to.
    name
        of the thread.
    on_result
        called in the writer's thread after each snapshot, written or failed. It must not flush or close the writer.
    """

    def __init__(self, store: Saves, *, name: str, on_result: Result | None = None) -> None:
        self._store = store
        self._on_result = on_result
        self._changed = threading.Condition()
        self._waiting: dict[str, _Job] = {}
        self._writing: _Job | None = None
        self._tickets = 0
        self._counts = WriterStatistics()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"akkordeon writer {name}", daemon=True)
        self._thread.start()

    def put(
        self, series: str, tree: Tree, *, number: int, facts: Mapping[str, Any] | None = None, generation: int = 1
    ) -> None:
        """Have a snapshot written, as `Store.save` does; never waits for a file.

        Raises
        ------
        ClosedError
            when the writer is closed.
        """
        with self._changed:
            if self._closing:
                raise ClosedError(f"{self._thread.name} is closed: snapshot {number} of {series!r} is not written")
            self._tickets += 1
            new = _Job(self._tickets, series, tree, number, facts or {}, generation)
            old = self._waiting.get(series)
            if old is not None:
                self._counts = replace(self._counts, dropped=self._counts.dropped + 1)
            if old is None or (old.generation, old.number) <= (generation, number):
                self._waiting[series] = new
            self._changed.notify_all()

    def statistics(self) -> WriterStatistics:
        """What was done so far."""
        with self._changed:
            return replace(self._counts, numbers=dict(self._counts.numbers), waiting=len(self._waiting))

    def flush(self, timeout: float) -> None:
        """Wait until all that was put before is written, dropped or has failed.

        Raises
        ------
        DeadlineError
            when that takes more than `timeout` seconds.
        """
        with self._changed:
            last = self._tickets
            if not self._changed.wait_for(lambda: not self._pending(last), timeout):
                raise DeadlineError(self._late(self._pending(last), timeout))

    def close(self, timeout: float) -> None:
        """Write what waits and end the thread. Does nothing the second time.

        Raises
        ------
        DeadlineError
            when that takes more than `timeout` seconds: what still waits is dropped, and the thread ends after the
            snapshot that it is at.
        """
        end = time.monotonic() + timeout
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._pending(self._tickets), timeout)
            late = self._pending(self._tickets)
            self._counts = replace(self._counts, dropped=self._counts.dropped + len(self._waiting))
            self._waiting.clear()
        if not done:
            raise DeadlineError(self._late(late, timeout))
        # All it has left to do is to leave its loop.
        self._thread.join(max(0.0, end - time.monotonic()))

    def _pending(self, last: int) -> list[_Job]:
        jobs = [*self._waiting.values(), *([self._writing] if self._writing else [])]
        return [job for job in jobs if job.ticket <= last]

    def _late(self, jobs: list[_Job], timeout: float) -> str:
        names = ", ".join(f"{job.number} of {job.series!r}" for job in jobs)
        return f"{self._thread.name} did not write snapshot {names} within {timeout:g} s: see whether the place answers"

    def _run(self) -> None:
        while self._next():
            self._write()

    def _next(self) -> bool:
        """Take the job that has waited longest; False at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return False
            self._writing = self._waiting.pop(next(iter(self._waiting)))
            return True

    def _write(self) -> None:
        job = self._writing
        assert job is not None
        begun, error, size = time.perf_counter(), None, 0
        try:
            size = sum(array.nbytes for array in describe(job.tree)[0].values())
            self._store.save(job.series, job.tree, number=job.number, facts=job.facts, generation=job.generation)
        except Exception as caught:
            error = caught
            _let_go(caught)
            logger.warning("snapshot %d of %r is not written: %s", job.number, job.series, str(caught))
        seconds = time.perf_counter() - begun
        with self._changed:
            self._counts = _counted(self._counts, job, error, seconds, size)
        self._tell(job, error, seconds, size)
        # The error holds this frame: neither a cycle nor who keeps the error may keep the tree.
        del error, job
        with self._changed:
            self._writing = None
            self._changed.notify_all()

    def _tell(self, job: _Job, error: Exception | None, seconds: float, size: int) -> None:
        if self._on_result is None:
            return
        try:
            self._on_result(job.series, job.number, error, seconds, size)
        except Exception:
            logger.exception("%s: on_result failed for snapshot %d of %r", self._thread.name, job.number, job.series)


def _let_go(error: BaseException | None) -> None:
    """Empty the frames that an error and its causes came through: they hold the tree."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _counted(
    counts: WriterStatistics, job: _Job, error: Exception | None, seconds: float, size: int
) -> WriterStatistics:
    counts = replace(counts, seconds=counts.seconds + seconds)
    if error is not None:
        return replace(counts, failed=counts.failed + 1, last_error=str(error) or type(error).__name__)
    numbers = {**counts.numbers, job.series: job.number}
    return replace(counts, written=counts.written + 1, bytes=counts.bytes + size, numbers=numbers)
