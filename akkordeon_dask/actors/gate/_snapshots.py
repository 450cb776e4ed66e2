"""Snapshots of a gate's versions, written while it works."""

import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import numpy as np

from akkordeon_dask.actors.gate._accumulation import Accumulation
from akkordeon_dask.actors.gate._cuts import GateCut
from akkordeon_dask.actors.gate._state import Version, aligned_version
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import Saved, SnapshotPolicy, SnapshotRecorder, load_part, part_store
from akkordeon_dask.snapshots._tree_format import dress
from akkordeon_dask.tree import Tree, is_statistic, leaves, paths

__all__ = ["GateSnapshots", "load_version"]


class GateSnapshots:
    """Writes snapshots of one gate with a thread of its own, from `begin` to `close`; none without a policy.

    Parameters
    ----------
    series
        the gate's name.
    state_format
        what its optimizer's state is, by `Optimizer.state_format`.
    on_failure
        as a `SnapshotRecorder` has it.
    """

    def __init__(
        self,
        policy: SnapshotPolicy | None,
        series: str,
        generation: int,
        *,
        state_format: str = "",
        on_failure: Callable[[str, str], None],
    ) -> None:
        self.policy, self._state_format = policy, state_format
        self._series, self._generation, self._on_failure = series, generation, on_failure
        self._recorder: SnapshotRecorder | None = None
        self._number, self._time = -1, 0.0
        """Of the last version that was written, or is in a complete cut."""
        self._last = -1
        """The last version that was written outside of cuts."""
        self.restored: int | None = None
        """The number of the snapshot here that the gate was restored from. Set before `begin`."""

    @property
    def last(self) -> int | None:
        """The number of the newest snapshot: the last one written, or the one restored from. Any thread."""
        written = self._recorder.last if self._recorder is not None else None
        return self.restored if written is None else written

    @property
    def error(self) -> str | None:
        """The reason why the snapshot after that was not written. Any thread."""
        return self._recorder.error if self._recorder is not None else None

    def begin(self) -> None:
        """Start the thread. Not on an event loop: it reads the store."""
        if self.policy is not None:
            store = self.policy.store()
            self._recorder = SnapshotRecorder(
                store, self._series, self._generation, on_failure=self._on_failure, policy=self.policy
            )

    def raise_generation(self, generation: int) -> None:
        """The network has an owner of this generation. Any thread."""
        if self._recorder is not None:
            self._recorder.raise_generation(generation)

    def maybe_write(self, version: Version, now: float) -> None:
        """Have a snapshot written where one is due; never waits. In a turn of the gate."""
        if self._recorder is None or self.policy is None or version.number == self._number:
            return
        if self.policy.due(version.number - self._number, now - self._time):
            self.write(version, now)

    def write(self, version: Version, now: float) -> int:
        """Have this version written; never waits, and returns its number."""
        self._number, self._time = version.number, now
        self._last = version.number
        if self._recorder is None:
            return version.number
        if fault := _fault_of(version):
            self._recorder.fail(version.number, f"version {version.number} has {fault}: not kept")
        else:
            self._recorder.write(tree_of(version), version.number, self._facts_of(version))
        return version.number

    def write_part(self, cut: GateCut) -> Future[None]:
        """Have the gate's part of a cut written; the future of that. Looks at all numbers: not on an event loop.

        Raises
        ------
        CheckpointError
            when the network writes no snapshots; when a trained number of the version is NaN or infinite, or one that
            is not trained is NaN.
        """
        if self._recorder is None or self.policy is None:
            raise CheckpointError(f"gate {self._series!r} keeps no snapshots: give deploy(snapshots=URL)")
        version = cut.version
        if fault := _fault_of(version):
            raise CheckpointError(f"version {version.number} of gate {self._series!r} has {fault}: not kept")
        store = part_store(self.policy, cut.name)
        return self._recorder.write_part(store, tree_of(version), version.number, self._facts_of(version))

    def _facts_of(self, version: Version) -> dict[str, Any]:
        return {"samples": version.samples, "updates": version.updates, "state_format": self._state_format}

    def note_cut(self, number: int, now: float) -> None:
        """This version is in a cut that all gates have written: a snapshot is due where no other cut follows in time.

        In a turn of the gate.
        """
        if self._recorder is None or self.policy is None:
            return
        self._recorder.note_cut(number)
        if number >= self._number:
            self._number, self._time = number, now + self.policy.seconds

    def flush(self, timeout: float) -> None:
        """Wait until all versions are written. Neither in a turn of the gate nor on an event loop.

        Raises
        ------
        DeadlineError
            when that takes longer than `timeout` seconds.
        """
        if self._recorder is not None:
            self._recorder.flush(timeout)

    def check_written(self, number: int) -> None:
        """Check that this version, or a later one, is in a snapshot.

        Raises
        ------
        CheckpointError
            when it is not.
        """
        if self.last is None or self.last < number:
            raise CheckpointError(f"gate {self._series!r}, version {number}: {self.error}")

    def close(self, last: Version | None, timeout: float) -> None:
        """Write the waiting versions and the last one, and end the thread. When the gate has ended.

        Parameters
        ----------
        last
            None: no version after the existing snapshots is of use.
        timeout
            seconds, at most.
        """
        if self._recorder is None:
            return
        if last is not None and (last.number != self._last or self.error is not None):
            self.write(last, self._time)
        self._recorder.end(timeout)


def tree_of(version: Version) -> Tree:
    """The content of a snapshot."""
    kept = {"params": version.params, "state": version.state}
    return kept if version.accumulation is None else kept | {"accumulation": version.accumulation}


def _fault_of(version: Version) -> str:
    """The reason not to keep a version. What is not trained may be infinite, as a mask of attention is, but not NaN."""
    for path, leaf in paths(version.params):
        if is_statistic(path) and np.isnan(leaf).any():
            return f"{path!r} with numbers that are NaN"
        if not is_statistic(path) and not np.isfinite(leaf).all():
            return f"parameters {path!r} that are NaN or infinite"
    sums = () if version.accumulation is None else version.accumulation.grads
    return "" if all(np.isfinite(leaf).all() for leaf in leaves(sums)) else "gradients that are NaN or infinite"


def load_version(policy: SnapshotPolicy, series: str, fresh: Version, state_format: str = "") -> Version | None:
    """The version of the policy's cut, or else of the newest snapshot, in a cut or not; None where there is none.

    Raises
    ------
    CheckpointError
        when the store cannot be read, or the snapshot is of another gate than `fresh`, or one whose optimizer's state
        has another `state_format`.
    """
    fresh = fresh._replace(accumulation=None)  # that of a gate at work may have one
    like = fresh._replace(accumulation=Accumulation.empty(fresh.params))
    try:
        part = _load(lambda like: load_part(policy, series, like), fresh, like)
        saved = None
        if policy.cut is None:
            saved = _load(lambda like: policy.store().load(series, like=like), fresh, like)
    except CheckpointError as error:
        raise CheckpointError(f"gate {series!r}: {error}{_remedy(policy, series, fresh, state_format)}") from error
    if saved is None or (part is not None and (part.generation, part.number) > (saved.generation, saved.number)):
        saved = part
    if saved is None:
        return None
    theirs = saved.facts.get("state_format", "")
    if theirs and state_format and theirs != state_format and any(fresh.state.slots):
        raise CheckpointError(
            f"gate {series!r} is saved with the state of {theirs}, and has {state_format}, to which the same "
            "numbers mean something else: resume with the former, or load a file of the parameters alone (`save`)"
        )
    samples = saved.facts.get("samples", 0)  # older snapshots have no such number
    updates, sums = saved.facts.get("updates", saved.number), saved.tree.get("accumulation")
    tree = saved.tree
    return aligned_version(Version(saved.number, tree["params"], tree["state"], int(samples), int(updates), sums))


def _remedy(policy: SnapshotPolicy, series: str, fresh: Version, state_format: str) -> str:
    """The way out where the parameters of a snapshot fit, and the state of the optimizer alone does not; else ""."""
    like = {"params": fresh.params, "state": fresh.state}
    try:
        saved = load_part(policy, series, None) or policy.store().load(series)
        if saved is None or not _fits(saved, like, "params") or _fits(saved, like, "state"):
            return ""
    except CheckpointError:
        return ""
    theirs = saved.facts.get("state_format", "")
    named = f", {theirs}," if theirs and theirs != state_format else ""
    return (
        f"; its parameters fit, and the state of its optimizer alone does not: resume with that optimizer{named} or "
        "load a file of the parameters alone (`save`)"
    )


def _fits(saved: Saved, like: Mapping[str, Tree], name: str) -> bool:
    try:
        dress(saved.tree[name], like[name])
    except CheckpointError:
        return False
    return True


def _load(load: Callable[[Tree], Saved | None], *forms: Version) -> Saved | None:
    """What is saved in one of the forms; the error about the first one where it is in none."""
    first, *others = map(tree_of, forms)
    try:
        return load(first)
    except CheckpointError:
        for like in others:
            with contextlib.suppress(CheckpointError):
                return load(like)
        raise
