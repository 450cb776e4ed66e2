"""A gate's state, and what it counts."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from akkordeon_dask.memory import aligned
from akkordeon_dask.optim import State
from akkordeon_dask.tree import Tree, map_leaves

__all__ = ["GateCounts", "Version", "aligned_version"]


class Version(NamedTuple):
    """A gate's parameters and optimizer state after some number of updates. Replaced, never written into."""

    number: int
    params: Tree
    state: State
    samples: int = 0
    """Samples of the batches that it was updated with."""


def aligned_version(version: Version) -> Version:
    """The same with all arrays on the grid that the kernels like: one that came over a wire or from a file may be off.

    Off it they give other bits, and take longer.
    """
    state = replace(version.state, slots=map_leaves(aligned, version.state.slots))
    return version._replace(params=map_leaves(aligned, version.params), state=state)


@dataclass
class GateCounts:
    """What a gate did in its life. Owned by its thread; others read a copy."""

    forwards: int = 0
    updates: int = 0
    samples: int = 0
    """Samples of training whose forward pass is done."""
    backwards: int = 0
    """Samples whose backward pass is done."""
    evaluated: int = 0
    """Samples of validation and prediction."""
    failed: int = 0
    nbytes_in: int = 0
    """Bytes of the arrays that came."""
    nbytes_out: int = 0
    """Bytes of the arrays that were sent on."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Messages that were not worked on, by reason."""
    delays: dict[int, int] = field(default_factory=dict)
    """How many gradients were how many updates late."""

    def drop(self, reason: str) -> None:
        """Count a message that is not worked on."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
