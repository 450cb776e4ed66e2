"""The workers of a cluster, as the placement sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Claim, Resources

__all__ = ["GUEST", "WorkerInfo", "find_workers"]

GUEST = "akkordeon-guest"
"""The resource of a worker that is there for one sentinel, and goes with it: no gate is placed on it."""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker of the cluster."""

    address: str
    name: str
    host: str
    resources: Resources = Resources()
    """All that it has, as it was started with."""
    claims: tuple[Claim, ...] | None = ()
    """What the gates have taken that are there; None: it did not say."""

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


def find_workers(wish: str, workers: Sequence[WorkerInfo], who: str) -> list[WorkerInfo]:
    """The workers that a name, an address or a host stands for.

    Raises
    ------
    PlacementError
        when there is none: lists those there are.
    """
    for label in ("name", "address", "host"):
        found = [worker for worker in workers if getattr(worker, label) == wish]
        if found:
            return found
    known = ", ".join(map(str, workers)) or "none at all"
    raise PlacementError(
        f"{who} asks for worker {wish!r}, the cluster has {known}: "
        f"start `dask worker ADDRESS --name {wish}`, or write another name, address or host"
    )
