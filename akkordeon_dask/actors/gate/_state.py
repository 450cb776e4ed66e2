"""A gate's state: a version of its parameters, what migrates with it, and counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from akkordeon_dask.actors.gate._accumulation import Accumulation
from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import Address
from akkordeon_dask.optim import State
from akkordeon_dask.tree import Tree, map_leaves

__all__ = ["GateCounts", "GateState", "OpenStep", "Version", "aligned_version"]


class Version(NamedTuple):
    """A gate's parameters and optimizer state after some number of batches. Replaced, never written into."""

    number: int
    """Batches that are part of it: each was an update of its own, unless the gate accumulates."""
    params: Tree
    state: State
    samples: int = 0
    """Samples of these batches."""
    updates: int = 0
    accumulation: Accumulation | None = None
    """The batches whose update is still to come."""


def aligned_version(version: Version) -> Version:
    """The same version with all arrays on the kernels' alignment, which arrays from a wire or a file may miss.

    Misaligned arrays give other last bits, and take longer.
    """
    state = replace(version.state, slots=map_leaves(aligned, version.state.slots))
    sums = version.accumulation
    if sums is not None:
        sums = sums._replace(grads=map_leaves(aligned, sums.grads), stale=map_leaves(aligned, sums.stale))
    return version._replace(params=map_leaves(aligned, version.params), state=state, accumulation=sums)


class OpenStep(NamedTuple):
    """The present step of synchronous updates, as one gate knows it; see `Steps`."""

    number: int
    """At the first gate: the steps that have ended."""
    trained: tuple[int, int] | None
    ending: bool
    """The other gates were told that it is over."""
    batches: tuple[tuple[tuple[str, int], float], ...]
    """Those whose gradient is to come, and for how many seconds more each is waited for."""
    sentinels: tuple[str, ...]
    """The actors of those that send more."""
    ended: tuple[Address, int] | None
    """At other gates: the last step that has ended, by its first gate and number."""


class GateState(NamedTuple):
    """The state that migrates: the gate's next incarnation continues with it."""

    version: Version
    applied: Mapping[str, tuple[int, tuple[int, ...]]]
    """By the sentinel's actor: its floor, below which all batches are finished, and the sequences above it whose
    update is part of the version. They are never applied again."""
    step: OpenStep | None = None
    """Where all gates update together."""


@dataclass
class GateCounts:
    """Counts of one incarnation of a gate. Counted in its turns; others read a copy."""

    forwards: int = 0
    updates: int = 0
    batches: int = 0
    """Batches that it was updated with, or whose gradient waits for others."""
    samples: int = 0
    """Samples of training whose forward pass is done."""
    backwards: int = 0
    """Samples whose backward pass is done."""
    evaluated: int = 0
    """Samples of validation and prediction."""
    failed: int = 0
    nbytes_in: int = 0
    """Bytes of received arrays."""
    nbytes_out: int = 0
    """Bytes of sent arrays."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Messages that were dropped, by reason."""
    delays: dict[int, int] = field(default_factory=dict)
    """Number of gradients by their delay in updates."""

    def drop(self, reason: str) -> None:
        """Count a dropped message."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
