"""The recorder of one actor's snapshots."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from akkordeon_dask.errors import CheckpointError, DeadlineError
from akkordeon_dask.snapshots._lease import SupersededError, check_newest
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._store import Store
from akkordeon_dask.snapshots._writer import Writer
from akkordeon_dask.tree import Tree

__all__ = ["SnapshotRecorder"]


class SnapshotRecorder:
    """A writer's thread for one series, and the result of its last snapshot.

    Parameters
    ----------
    generation
        of the network's owner. Each incarnation of an actor writes with a higher one than all before it, on whatever
        worker: snapshots of a former incarnation that was only stopped stay the older ones.
    on_failure
        called with the name and the text of an event where a snapshot could not be written; in the writer's thread,
        or in the actor's.
    policy
        of the snapshots, where leases are looked at: a recorder that finds a later run reports it once, and ends.
    """

    def __init__(
        self,
        store: Store,
        series: str,
        generation: int,
        *,
        on_failure: Callable[[str, str], None],
        policy: SnapshotPolicy | None = None,
    ) -> None:
        self.series, self._generation = series, generation
        self._store, self._on_failure, self._policy = store, on_failure, policy
        self._superseded = False
        """A later run has taken over: nothing is written any more. Set by the writer's thread, read by any."""
        self._before: int | None = None
        """The generation of the former incarnation; None: not known yet. Set here, or by the writer's thread."""
        with contextlib.suppress(CheckpointError):  # where the store is away it is read before each snapshot
            self._before = store.generation(series)
        self._writer = Writer(self, name=series, on_result=self._on_result)
        self.last: int | None = None
        """The number of the last snapshot that was written, or is in a complete cut. Any thread may read it."""
        self.error: str | None = None
        """The reason why the one after that was not. Any thread may read it."""
        self._failed = -1
        """The number of that one."""
        self._lock = threading.Lock()
        """Held while these three are set: by the writer's thread, and by the actor's."""
        self._parts: dict[str, tuple[Store, Future[None]]] = {}
        """Snapshots for other stores that are not written yet. Added to by any thread; the writer's thread takes each
        one out."""

    def write(self, tree: Tree, number: int, facts: Mapping[str, Any] | None = None) -> None:
        """Have a snapshot written; never waits."""
        if not self._superseded:
            self._writer.put(self.series, tree, number=number, facts=facts, generation=self._generation)

    def write_part(self, store: Store, tree: Tree, number: int, facts: Mapping[str, Any]) -> Future[None]:
        """Have a snapshot written to another store; the future of that. Never waits. Any thread."""
        part = f"{self.series} in {store.url}"
        written: Future[None] = Future()
        self._parts[part] = store, written
        self._writer.put(part, tree, number=number, facts=facts, generation=self._generation)
        return written

    def save(self, series: str, tree: Tree, *, number: int, facts: Mapping[str, Any], generation: int) -> str:
        """Write a snapshot to the store. In the writer's thread."""
        if self._policy is not None:
            check_newest(self._policy)
        if self._before is None:
            self._before = self._store.generation(series)
        above = max(generation, self._before + 1)
        store = self._parts[series][0] if series in self._parts else self._store
        return store.save(self.series, tree, number=number, facts=facts, generation=above)

    def raise_generation(self, generation: int) -> None:
        """The network has an owner of this generation. Any thread."""
        self._generation = max(generation, self._generation)

    def _on_result(self, series: str, number: int, error: Exception | None) -> None:
        part = self._parts.pop(series, None)
        first, self._superseded = not self._superseded, self._superseded or isinstance(error, SupersededError)
        if error is not None and (part is None or (first and self._superseded)):
            self.fail(number, str(error))
        elif error is None and part is None:
            self._note(number)
        if part is not None and part[1].set_running_or_notify_cancel():
            part[1].set_exception(error) if error is not None else part[1].set_result(None)

    def note_cut(self, number: int) -> None:
        """A snapshot of this number is in a cut that all gates have written. Any thread."""
        self._note(number)

    def _note(self, number: int) -> None:
        with self._lock:
            if self.last is None or number >= self.last:
                self.last = number
                self.error = self.error if number < self._failed else None

    def fail(self, number: int, text: str) -> None:
        """Report a snapshot that is not written."""
        with self._lock:
            self._failed, self.error = number, text
        self._on_failure("snapshot failed", text)

    def flush(self, timeout: float) -> None:
        """Wait until all snapshots so far are written. Neither in a thread of the actor nor on an event loop.

        Raises
        ------
        DeadlineError
            when that takes longer.
        """
        self._writer.flush(timeout)

    def end(self, timeout: float) -> None:
        """Write the waiting snapshot and end the thread, after at most `timeout` seconds."""
        try:
            self._writer.close(timeout)
        except DeadlineError as error:
            self.fail(self._failed, str(error))  # no cut comes after the end
