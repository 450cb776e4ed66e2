"""The workers of a cluster, as the placement sees them.

They are asked through the client that the user gives: this module knows no Dask.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from akkordeon_dask.errors import DeadlineError, PlacementError
from akkordeon_dask.network._resources import Claim, Resources

__all__ = ["GUEST", "POST_OFFICE", "WorkerInfo", "claims_on", "find_workers", "with_claims", "workers_of"]

logger = logging.getLogger(__name__)

POST_OFFICE = "akkordeon-post-office"
"""The name of the worker's plugin that knows its gates."""


_ENDING = ("closing", "closing_gracefully", "closed")

_PATIENCE = 20.0

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


async def workers_of(client: Any) -> list[WorkerInfo]:
    """The workers that the scheduler knows now, those apart that are ending; by name, as if they had no gates.

    Raises
    ------
    DeadlineError
        when the scheduler does not answer within 20 s.
    """
    try:
        async with asyncio.timeout(_PATIENCE):
            identity = await client.scheduler.identity(n_workers=-1)
    except TimeoutError:
        text = f"the scheduler did not say within {_PATIENCE:g} s who works for it: look at its log"
        raise DeadlineError(text) from None
    found = [
        WorkerInfo(address, str(told["name"]), str(told["host"]), Resources.told(told.get("resources") or {}))
        for address, told in identity["workers"].items()
        if told.get("status") not in _ENDING
    ]
    return sorted(found, key=lambda worker: (worker.name, worker.address))


async def with_claims(
    workers: Sequence[WorkerInfo], client: Any, names: Collection[str], timeout: float
) -> list[WorkerInfo]:
    """The same with what gates have taken, of all networks of all clients, asked of those with resources of `names`.

    A worker that does not say within `timeout` seconds, or lacks this package, has unknown claims: no gate that
    takes something goes there.
    """

    async def asked(worker: WorkerInfo) -> WorkerInfo:
        if worker.resources.keys().isdisjoint(names):
            return worker
        return replace(worker, claims=await _claims(worker, client, timeout))

    return list(await asyncio.gather(*map(asked, workers)))


async def _claims(worker: WorkerInfo, client: Any, timeout: float) -> tuple[Claim, ...] | None:
    try:
        async with asyncio.timeout(timeout):
            answers = await client.run(claims_on, workers=[worker.address], on_error="return")
    except TimeoutError:
        return None
    answer = answers.get(worker.address)
    if isinstance(answer, tuple):
        return answer
    logger.warning("worker %s does not say what its gates have taken: %r", worker, answer)
    return None


def claims_on(dask_worker: Any) -> tuple[Claim, ...]:
    """What gates have taken of this worker. Runs on its event loop."""
    office = dask_worker.plugins.get(POST_OFFICE)
    return tuple(office.claims.values()) if office is not None else ()


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
