"""Snapshots written beside the work, by a thread of their own."""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from akkordeon_dask.errors import ClosedError, DeadlineError
from akkordeon_dask.tree import Tree

__all__ = ["Saves", "Writer"]

logger = logging.getLogger(__name__)


class Saves(Protocol):
    """The target of a writer: a `Store`, or a stand-in."""

    def save(self, series: str, tree: Tree, *, number: int, facts: Mapping[str, Any], generation: int) -> str:
        """Write a snapshot and wait for it. Runs in the writer's thread."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    ticket: int
    """Of the first put whose snapshot this one stands for: those that it has replaced count as well."""
    series: str
    tree: Tree
    number: int
    facts: Mapping[str, Any]
    generation: int


class Writer:
    """One thread that writes snapshots, the series in turn; of a series the newest waiting one replaces the others.

    A tree that was put is given away: nobody writes into its arrays again, so no copy is made. Whoever makes a writer
    closes it.

    Threads: any thread may put, flush and close; a lock guards the waiting snapshots, and is never held during a write.

    Parameters
    ----------
    store
        the target.
    name
        of the thread.
    on_result
        called after each snapshot with its series, its number and its error, None where it was written; in the
        writer's thread. It must not flush or close the writer.
    """

    def __init__(
        self, store: Saves, *, name: str, on_result: Callable[[str, int, Exception | None], None] | None = None
    ) -> None:
        self._store = store
        self._on_result = on_result
        self._changed = threading.Condition()
        self._waiting: dict[str, _Job] = {}
        self._writing: _Job | None = None
        self._tickets = 0
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
            old = self._waiting.get(series)
            ticket = self._tickets if old is None else old.ticket
            new = _Job(ticket, series, tree, number, facts or {}, generation)
            if old is None or (old.generation, old.number) <= (generation, number):
                self._waiting[series] = new
            self._changed.notify_all()

    def flush(self, timeout: float) -> None:
        """Wait until all snapshots put so far, or those that have replaced them, are written or have failed.

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
        """Write the waiting snapshots and end the thread. Does nothing the second time.

        Raises
        ------
        DeadlineError
            when that takes more than `timeout` seconds: the waiting snapshots are dropped, and the thread ends after
            the present one.
        """
        end = time.monotonic() + timeout
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._pending(self._tickets), timeout)
            late = self._pending(self._tickets)
            self._waiting.clear()
        if not done:
            raise DeadlineError(self._late(late, timeout))
        # It has only to leave its loop.
        self._thread.join(max(0.0, end - time.monotonic()))

    def _pending(self, last: int) -> list[_Job]:
        jobs = [*self._waiting.values(), *([self._writing] if self._writing else [])]
        return [job for job in jobs if job.ticket <= last]

    def _late(self, jobs: list[_Job], timeout: float) -> str:
        names = ", ".join(f"{job.number} of {job.series!r}" for job in jobs)
        return f"{self._thread.name} did not write snapshot {names} within {timeout:g} s: check that the store answers"

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
        job, error = self._writing, None
        assert job is not None
        try:
            self._store.save(job.series, job.tree, number=job.number, facts=job.facts, generation=job.generation)
        except Exception as caught:
            error = caught
            _clear_frames(caught)
            logger.warning("snapshot %d of %r is not written: %s", job.number, job.series, str(caught))
        self._report(job, error)
        # The error refers to this frame: neither a cycle nor whoever keeps the error may keep the tree.
        del error, job
        with self._changed:
            self._writing = None
            self._changed.notify_all()

    def _report(self, job: _Job, error: Exception | None) -> None:
        if self._on_result is None:
            return
        try:
            self._on_result(job.series, job.number, error)
        except Exception:
            logger.exception("%s: on_result failed for snapshot %d of %r", self._thread.name, job.number, job.series)


def _clear_frames(error: BaseException | None) -> None:
    """Empty the frames of an error and its causes: they refer to the tree."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
