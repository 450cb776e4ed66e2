"""What writes the snapshots of one actor."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from akkordeon_dask.errors import CheckpointError, DeadlineError
from akkordeon_dask.snapshots import Store, Writer
from akkordeon_dask.tree import Tree

__all__ = ["SnapshotRecorder"]


class SnapshotRecorder:
    """A writer's thread for one series, and what came of its last snapshot.

    Parameters
    ----------
    generation
        of the network's owner. Each life of an actor writes with a higher one than all before it, on whatever worker:
        what a former life still writes that was only stopped stays the older.
    tell
        is told of a snapshot that could not be written, as a word and a text; in the writer's thread.
    """

    def __init__(self, store: Store, series: str, generation: int, *, tell: Callable[[str, str], None]) -> None:
        self.series, self._generation = series, generation
        self._store, self._on_failure = store, tell
        self._before: int | None = None
        """The generation of the life before; None: not known yet. Set here, or by the writer's thread."""
        with contextlib.suppress(CheckpointError):  # where the place is away: it is looked at before each snapshot
            self._before = store.generation(series)
        self._writer = Writer(self, name=series, on_result=self._written)
        self.last: int | None = None
        """The number of the last snapshot that was written. Set by the writer's thread, read by any."""
        self.error: str | None = None
        """Why the one after that was not. Set by the writer's thread and the actor's, read by any."""

    def write(self, tree: Tree, number: int, facts: Mapping[str, Any] | None = None) -> None:
        """Have a snapshot written; never waits."""
        self._writer.put(self.series, tree, number=number, facts=facts, generation=self._generation)

    def save(self, series: str, tree: Tree, *, number: int, facts: Mapping[str, Any], generation: int) -> str:
        """What the writer does with it. In its thread."""
        if self._before is None:
            self._before = self._store.generation(series)
        above = max(generation, self._before + 1)
        return self._store.save(series, tree, number=number, facts=facts, generation=above)

    def raise_generation(self, generation: int) -> None:
        """The network has an owner of this generation. Any thread."""
        self._generation = max(generation, self._generation)

    def _written(self, series: str, number: int, error: Exception | None, seconds: float, size: int) -> None:
        if error is None:
            self.last, self.error = number, None
        else:
            self.fail(str(error))

    def fail(self, text: str) -> None:
        """There is a snapshot less than there should be."""
        self.error = text
        self._on_failure("snapshot failed", text)

    def flush(self, timeout: float) -> None:
        """Wait until what was put is written. Not in a thread of the actor or on an event loop.

        Raises
        ------
        DeadlineError
            when that takes longer.
        """
        self._writer.flush(timeout)

    def end(self, timeout: float) -> None:
        """Write what waits and end the thread, at most `timeout` seconds."""
        try:
            self._writer.close(timeout)
        except DeadlineError as error:
            self.fail(str(error))
