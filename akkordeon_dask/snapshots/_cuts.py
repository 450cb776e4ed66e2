"""Consistent cuts: snapshots of all gates, and positions of all training sentinels, of one moment.

A cut is a folder with one snapshot of each gate, and a manifest, written last, without which it does not exist.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._store import Saved, Store

__all__ = ["POSITIONS", "Cut", "complete_cuts", "cut_name", "load_part", "part_store", "save_manifest"]

POSITIONS = "sentinels"
"""The folder of the sentinels' positions, below the URL of the gates' snapshots."""
_CUTS, _MANIFESTS = "cuts", "manifest"
_NAME = re.compile(r"\d{6,}-\d{6,}-[0-9a-f]{8}")


def cut_name(generation: int, count: int) -> str:
    """A name that no other cut has; those of one run sort by the generation of the owner, then by their number."""
    return f"{generation:06d}-{count:06d}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Cut:
    """The manifest of a cut."""

    name: str
    """Of the cut, as `cut_name` makes it, and of the folder with its parts."""
    numbers: Mapping[str, int]
    """By gate: the number of updates in its part."""
    positions: Mapping[str, Mapping[str, Any]]
    """By training sentinel: its `data`, and its `position` in them, as JSON values."""
    lost: Mapping[str, Mapping[str, list[str]]]
    """By training sentinel, and the sequence of a batch that ended as lost: the gates that were updated with it."""

    def as_facts(self) -> dict[str, Any]:
        """The manifest as JSON values."""
        return {"name": self.name, "numbers": self.numbers, "positions": self.positions, "lost": self.lost}

    @classmethod
    def from_saved(cls, saved: Saved) -> "Cut":
        """The cut of a manifest.

        Raises
        ------
        CheckpointError
            when it is none.
        """
        try:
            return cls(**saved.facts)
        except TypeError as error:
            raise CheckpointError(f"{saved.url!r} is no manifest of a cut ({error}): move it away") from error


def part_store(policy: SnapshotPolicy, name: str) -> Store:
    """The store of a cut's parts."""
    return policy.store(f"{_CUTS}/{name}")


def save_manifest(
    policy: SnapshotPolicy, cut: Cut, generation: int, earlier: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """Write the manifest of a cut whose parts are written, and remove the parts of older cuts that have none.

    Sentinels that do not work at that time are added, with the positions that they have written last in this run, or
    `earlier`.

    Parameters
    ----------
    generation
        of the network's owner.

    Raises
    ------
    CheckpointError
        when it cannot be written: then there is no such cut.
    """
    store, former = policy.store(_CUTS), policy.store(POSITIONS)
    ended = {name: saved.facts for name in former.series() if (saved := former.load(name)) is not None}
    before = next(iter(store.history(_MANIFESTS)), None)
    known = Cut.from_saved(before).positions if before is not None else {}
    cut = replace(cut, positions={**(earlier or {}), **known, **ended, **cut.positions})
    number = before.number + 1 if before is not None else 0
    store.save(_MANIFESTS, {}, number=number, facts=cut.as_facts(), generation=generation)
    kept = {str(saved.facts.get("name")) for saved in store.history(_MANIFESTS)}
    for folder in store.folders():
        # A later name is of a cut that is being written.
        if folder not in kept and folder < cut.name and _NAME.fullmatch(folder):
            store.remove(folder)


def complete_cuts(policy: SnapshotPolicy) -> list[Cut]:
    """The cuts whose parts are all there, the newest first.

    Raises
    ------
    CheckpointError
        when the store cannot be read.
    """
    found = [Cut.from_saved(saved) for saved in policy.store(_CUTS).history(_MANIFESTS)]
    return [cut for cut in found if _is_complete(policy, cut)]


def _is_complete(policy: SnapshotPolicy, cut: Cut) -> bool:
    store = part_store(policy, cut.name)
    return all(number in store.numbers(gate) for gate, number in cut.numbers.items())


def load_part(policy: SnapshotPolicy, gate: str, like: Any) -> Saved | None:
    """A gate's part of the policy's cut, or of the newest complete one; None where there is none.

    Raises
    ------
    CheckpointError
        when the store cannot be read, or the part is of another gate than `like`.
    """
    if policy.cut is not None:
        return part_store(policy, policy.cut).load(gate, like=like)
    for cut in complete_cuts(policy):
        if gate in cut.numbers and (saved := part_store(policy, cut.name).load(gate, like=like)) is not None:
            return saved
    return None
