"""A gate's state, kept safe while it works."""

from collections.abc import Callable

import numpy as np

from akkordeon_dask.actors.gate._state import Version, aligned_version
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import SnapshotPolicy
from akkordeon_dask.snapshots._recorder import SnapshotRecorder
from akkordeon_dask.tree import Tree, leaves

__all__ = ["GateSnapshots", "load_version"]


class GateSnapshots(SnapshotRecorder):
    """Writes snapshots of one gate with a thread of its own.

    `look` is called by the gate's thread after each update and now and then: it hands over the version, which nobody
    ever writes into, and never waits.

    Parameters
    ----------
    series
        the gate's name.
    tell
        as a `SnapshotRecorder` has it.
    """

    def __init__(
        self,
        keeping: SnapshotPolicy,
        series: str,
        generation: int,
        *,
        tell: Callable[[str, str], None],
    ) -> None:
        super().__init__(keeping.store(), series, generation, tell=tell)
        self.policy = keeping
        self._number, self._time = -1, 0.0

    def maybe_write(self, version: Version, now: float) -> None:
        """Have a snapshot written where one is due. In the gate's thread."""
        if version.number == self._number:
            return
        if self.policy.due(version.number - self._number, now - self._time):
            self.write_version(version, now)

    def write_version(self, version: Version, now: float) -> int:
        """Have this version written; gives its number."""
        self._number, self._time = version.number, now
        if not all(np.isfinite(leaf).all() for leaf in leaves(version.params)):
            self.fail(f"version {version.number} has parameters that are NaN or infinite: not kept")
            return version.number
        self.write(tree_of(version), version.number, {"samples": version.samples})
        return version.number

    def close(self, last: Version | None, timeout: float) -> None:
        """Write what waits, and the last version, and end the thread, at most `timeout` seconds. In the gate's thread.

        Parameters
        ----------
        last
            None: what comes after the snapshots that there are is of no use.
        """
        if last is not None and (last.number != self._number or self.error is not None):
            self.write_version(last, self._time)
        self.end(timeout)


def tree_of(version: Version) -> Tree:
    """What a snapshot holds."""
    return {"params": version.params, "state": version.state}


def load_version(keeping: SnapshotPolicy, series: str, fresh: Version) -> Version | None:
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
    samples = saved.facts.get("samples", 0)  # which snapshots of before do not have
    return aligned_version(Version(saved.number, saved.tree["params"], saved.tree["state"], int(samples)))
