"""A gate's state, kept safe while it works."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from akkordeon_dask.actors._gate_state import Version, at_home
from akkordeon_dask.errors import CheckpointError, DeadlineError
from akkordeon_dask.snapshots import Store, Writer
from akkordeon_dask.tree import Tree, leaves

__all__ = ["Keeper", "Keeping", "restored"]


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where and how often the gates of a network are written down."""

    url: str
    updates: int | None = None
    """After so many updates; None: by the clock."""
    seconds: float = 30.0
    """After so many seconds, where something has changed."""
    keep: int = 3
    """Snapshots of each gate that stay."""

    def store(self) -> Store:
        """The place.

        Raises
        ------
        CheckpointError
            when there is no such place.
        """
        return Store(self.url, keep=self.keep)


class Keeper:
    """Writes snapshots of one gate with a thread of its own.

    `look` is called by the gate's thread after each update and now and then: it hands over the version, which nobody
    ever writes into, and never waits.

    Parameters
    ----------
    series
        the gate's name.
    tell
        is told of a snapshot that could not be written, as a word and a text; in the writer's thread.
    """

    def __init__(
        self,
        keeping: Keeping,
        series: str,
        generation: int,
        *,
        tell: Callable[[str, str], None],
    ) -> None:
        self.keeping, self.series, self.generation = keeping, series, generation
        self._tell = tell
        self._number, self._time = -1, 0.0
        self._writer = Writer(keeping.store(), name=series, on_result=self._written)
        self.last: int | None = None
        """The number of the last snapshot that was written. Set by the writer's thread, read by any."""
        self.error: str | None = None
        """Why the one after that was not. Set by the writer's thread and the gate's, read by any."""

    def look(self, version: Version, now: float) -> None:
        """Have a snapshot written where one is due. In the gate's thread."""
        if version.number == self._number:
            return
        every = self.keeping.updates
        due = version.number - self._number >= every if every is not None else now - self._time >= self.keeping.seconds
        if due:
            self.put(version, now)

    def put(self, version: Version, now: float) -> int:
        """Have this version written; gives its number."""
        self._number, self._time = version.number, now
        if not all(np.isfinite(leaf).all() for leaf in leaves(version.params)):
            self._fail(f"version {version.number} has parameters that are NaN or infinite: not kept")
            return version.number
        self._writer.put(self.series, tree_of(version), number=version.number, generation=self.generation)
        return version.number

    def _written(self, series: str, number: int, error: Exception | None, seconds: float, size: int) -> None:
        if error is None:
            self.last, self.error = number, None
        else:
            self._fail(str(error))

    def _fail(self, text: str) -> None:
        self.error = text
        self._tell("snapshot failed", text)

    def flush(self, timeout: float) -> None:
        """Wait until what was put is written. Not in a thread of the gate or on an event loop.

        Raises
        ------
        DeadlineError
            when that takes longer.
        """
        self._writer.flush(timeout)

    def close(self, last: Version | None, timeout: float) -> None:
        """Write what waits, and the last version, and end the thread, at most `timeout` seconds. In the gate's thread.

        Parameters
        ----------
        last
            None: what comes after the snapshots that there are is of no use.
        """
        if last is not None and (last.number != self._number or self.error is not None):
            self.put(last, self._time)
        try:
            self._writer.close(timeout)
        except DeadlineError as error:
            self._fail(str(error))


def tree_of(version: Version) -> Tree:
    """What a snapshot holds."""
    return {"params": version.params, "state": version.state}


def restored(keeping: Keeping, series: str, fresh: Version) -> Version | None:
    """The version of the newest snapshot; None: there is none.

    Raises
    ------
    CheckpointError
        when the place cannot be read, or the snapshot is of another gate than `fresh`.
    """
    try:
        saved = keeping.store().load(series, like=tree_of(fresh))
    except CheckpointError as error:
        raise CheckpointError(f"gate {series!r}: {error}") from error
    if saved is None:
        return None
    return at_home(Version(saved.number, saved.tree["params"], saved.tree["state"]))
