"""Snapshots of a training sentinel's position, written while it works."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.network import Sentinel
from akkordeon_dask.snapshots import POSITIONS, SnapshotPolicy, SnapshotRecorder, complete_cuts

__all__ = ["PositionSnapshots", "describe_data", "load_position"]


class PositionSnapshots:
    """Writes positions of one sentinel with a thread of its own, from `begin` to `close`; none without a policy.

    Positions are written as often as the gates' snapshots, and of training sentinels only.

    Parameters
    ----------
    name
        the sentinel's.
    on_failure
        as a `SnapshotRecorder` has it.
    """

    def __init__(
        self,
        policy: SnapshotPolicy | None,
        sentinel: Sentinel,
        name: str,
        generation: int,
        *,
        on_failure: Callable[[str, str], None],
    ) -> None:
        self._policy = policy if sentinel.mode == "train" else None
        self._data = describe_data(sentinel)
        self._name, self._generation, self._on_failure = name, generation, on_failure
        self._recorder: SnapshotRecorder | None = None
        self._written, self._number, self._time = Position(), 0, 0.0

    def begin(self) -> None:
        """Start the thread. Not on an event loop: it reads the store.

        A store that cannot be used is reported; training continues without, as it does for gates.
        """
        if self._policy is None:
            return
        try:
            store = self._policy.store(POSITIONS)
            self._recorder = SnapshotRecorder(
                store, self._name, self._generation, on_failure=self._on_failure, policy=self._policy
            )
        except CheckpointError as error:
            self._on_failure("snapshot failed", str(error))

    def maybe_write(self, position: Position, now: float) -> None:
        """Have the position written where that is due; never waits. In a turn of the sentinel."""
        policy = self._policy
        if policy is not None and policy.due(position.sequence - self._written.sequence, now - self._time):
            self._time = now
            self._write(position)

    def _write(self, position: Position) -> None:
        if self._recorder is not None and position.progress != self._written.progress:
            self._written = position
            self._number += 1
            self._recorder.write({}, self._number, {"data": self._data, "position": position.as_dict()})

    def close(self, last: Position | None, timeout: float) -> None:
        """Write the last position, and end the thread, after at most `timeout` seconds. In a turn of the sentinel.

        Parameters
        ----------
        last
            None: a successor continues, and writes its own.
        """
        if last is not None:
            self._write(last)
        if self._recorder is not None:
            self._recorder.end(timeout)


def load_position(policies: Iterable[SnapshotPolicy], sentinel: Sentinel, name: str) -> Position | None:
    """The newest position of a sentinel of this name, with the same data in the same batches; None: there is none.

    Parameters
    ----------
    policies
        of the stores to read; the first one that has a position counts.

    Raises
    ------
    CheckpointError
        when a store cannot be read.
    """
    for policy in policies:
        url, facts = _newest(policy, name)
        if facts is None or facts.get("data") != describe_data(sentinel):
            continue
        try:
            return Position.from_dict(facts["position"])
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{url!r} holds no position of a sentinel ({error!r}): move it away") from error
    return None


def _newest(policy: SnapshotPolicy, name: str) -> tuple[str, Mapping[str, Any] | None]:
    """The URL and the content of a position: of the policy's cut, where it has one."""
    if policy.cut is not None:
        cut = next((cut for cut in complete_cuts(policy) if cut.name == policy.cut), None)
        return f"{policy.url}, cut {policy.cut}", cut.positions.get(name) if cut is not None else None
    saved = policy.store(POSITIONS).load(name)
    return (saved.url, saved.facts) if saved is not None else ("", None)


def describe_data(sentinel: Sentinel) -> str:
    """The data that a position is about: another sentinel may have the same name."""
    return f"{sentinel.provider!r} in batches of {sentinel.batch_size}"
