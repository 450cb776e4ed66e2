"""Where a training sentinel is in its data, written down while it works."""

from collections.abc import Callable

from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.network import Sentinel
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._recorder import SnapshotRecorder

__all__ = ["PositionSnapshots", "load_position"]

_BELOW = "sentinels"


class PositionSnapshots(SnapshotRecorder):
    """Writes positions of one sentinel with a thread of its own, as often as the gates write their snapshots.

    `look` is called by the sentinel's thread now and then, and never waits.

    Parameters
    ----------
    name
        the sentinel's.
    tell
        as a `SnapshotRecorder` has it.
    """

    def __init__(
        self,
        keeping: SnapshotPolicy,
        sentinel: Sentinel,
        name: str,
        generation: int,
        *,
        tell: Callable[[str, str], None],
    ) -> None:
        super().__init__(keeping.store(_BELOW), name, generation, tell=tell)
        self._keeping, self._data = keeping, _data(sentinel)
        self._kept, self._number, self._time = Position(), 0, 0.0

    def maybe_write(self, position: Position, now: float) -> None:
        """Have the position written where that is due. In the sentinel's thread."""
        if self._keeping.due(position.sequence - self._kept.sequence, now - self._time):
            self._time = now
            self._write_position(position)

    def _write_position(self, position: Position) -> None:
        if position.progress != self._kept.progress:
            self._kept = position
            self._number += 1
            self.write({}, self._number, {"data": self._data, "position": position.as_dict()})

    def close(self, last: Position | None, timeout: float) -> None:
        """Write the last position, and end the thread, at most `timeout` seconds. In the sentinel's thread.

        Parameters
        ----------
        last
            None: another life goes on.
        """
        if last is not None:
            self._write_position(last)
        self.end(timeout)


def load_position(keeping: SnapshotPolicy, sentinel: Sentinel, name: str) -> Position | None:
    """The newest position of a sentinel of this name, with the same data in the same batches; None: there is none.

    Raises
    ------
    CheckpointError
        when the place cannot be read.
    """
    saved = keeping.store(_BELOW).load(name)
    if saved is None or saved.facts.get("data") != _data(sentinel):
        return None
    try:
        return Position.from_dict(saved.facts["position"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{saved.url!r} holds no position of a sentinel ({error!r}): move it away") from error


def _data(sentinel: Sentinel) -> str:
    """What a position counts: another sentinel may have the same name."""
    return f"{sentinel.provider!r} in batches of {sentinel.batch_size}"
