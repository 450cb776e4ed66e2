"""The workers of a cluster, as the placement sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Claim, Resources

__all__ = ["GUEST", "WorkerInfo", "find_workers"]

GUEST = "akkordeon-guest"
"""The resource of a worker that exists for one sentinel only: no gate is placed on it."""


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker of the cluster."""

    address: str
    name: str
    host: str
    resources: Resources = Resources()
    """All of its resources, as it was started with."""
    claims: tuple[Claim, ...] | None = ()
    """Reservations of the gates on it; None: it did not report them."""
    paused: bool = False
    """It begins no task, and creates no actor, as its memory is nearly full."""
    busy: tuple[str, ...] = ()
    """The tasks that take all of its threads; none where a thread is free."""
    memory_limit: int = 0
    """Bytes, above which its nanny ends it; 0: none."""

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


def find_workers(requested: str, workers: Sequence[WorkerInfo], who: str) -> list[WorkerInfo]:
    """The workers of a name, an address or a host; `who` requests them, in errors.

    Raises
    ------
    PlacementError
        when there is none: lists those there are.
    """
    for label in ("name", "address", "host"):
        found = [worker for worker in workers if getattr(worker, label) == requested]
        if found:
            return found
    known = ", ".join(map(str, workers)) or "none at all"
    raise PlacementError(
        f"{who} asks for worker {requested!r}, the cluster has {known}: "
        f"start `dask worker ADDRESS --name {requested}`, or write another name, address or host"
    )
