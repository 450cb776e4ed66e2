"""The workers of a cluster, and the resources that gates have claimed of them."""

import asyncio
import logging
import math
from collections.abc import Collection, Sequence
from dataclasses import replace

from distributed import Client, Worker

from akkordeon_dask.actors import PostOffice
from akkordeon_dask.messages import KEY_PREFIX
from akkordeon_dask.network import Claim, Resources
from akkordeon_dask.placement import WorkerInfo
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline, while_known

__all__ = ["add_claims", "add_tasks", "claims_on_worker", "drains", "end_drain", "list_workers"]

logger = logging.getLogger(__name__)

_ENDING = ("closing", "closing_gracefully", "closed")
_PAUSED = "paused"
_PATIENCE = 20.0


async def list_workers(client: Client, *, ending: bool = False) -> list[WorkerInfo]:
    """The workers that the scheduler knows now, sorted by name; those that shut down only with `ending`; no claims.

    Raises
    ------
    DeadlineError
        when the scheduler does not answer within 20 s.
    """
    async with scheduler_deadline(client, _PATIENCE):
        identity = await client.scheduler.identity(n_workers=-1)  # type: ignore[union-attr]
    found = [
        WorkerInfo(
            address,
            str(facts["name"]),
            str(facts["host"]),
            Resources.from_mapping(facts.get("resources") or {}),
            paused=facts.get("status") == _PAUSED,
            memory_limit=facts.get("memory_limit") or 0,
        )
        for address, facts in identity["workers"].items()
        if ending or facts.get("status") not in _ENDING
    ]
    return sorted(found, key=lambda worker: (worker.name, worker.address))


async def add_claims(
    workers: Sequence[WorkerInfo], client: Client, names: Collection[str], timeout: float
) -> list[WorkerInfo]:
    """The same workers with the claims of all gates of all clients, asked of those with resources of `names`.

    A worker that does not answer within `timeout` seconds, or lacks this package, has unknown claims: no gate with
    resources of its own goes there.
    """

    asked = [worker for worker in workers if not worker.resources.keys().isdisjoint(names)]
    questions = {worker.address: (_claims(worker, client, timeout), [worker.address]) for worker in asked}
    claims = await while_known(client, questions)
    return [replace(one, claims=claims.get(one.address)) if one in asked else one for one in workers]


async def _claims(worker: WorkerInfo, client: Client, timeout: float) -> tuple[Claim, ...] | None:
    try:
        async with asyncio.timeout(timeout):
            answers = await client.run(claims_on_worker, workers=[worker.address], on_error="return")
    except TimeoutError:
        return None
    answer = answers.get(worker.address)
    if isinstance(answer, tuple):
        return answer
    logger.warning("worker %s does not list the claims of its gates: %r", worker, answer)
    return None


async def add_tasks(workers: Sequence[WorkerInfo], client: Client) -> list[WorkerInfo]:
    """The same workers with the tasks that take all of their threads, as the scheduler knows them.

    Raises
    ------
    DeadlineError
        when the scheduler does not answer within 20 s.
    """
    async with scheduler_deadline(client, _PATIENCE):
        tasks = await client.scheduler.processing(workers=None)  # type: ignore[union-attr]
        threads = await client.scheduler.ncores(workers=None)  # type: ignore[union-attr]

    def filling(worker: WorkerInfo) -> tuple[str, ...]:
        # Our own tasks are done in a moment, or wait themselves.
        keys = [key for key in map(str, tasks.get(worker.address, ())) if not key.startswith(KEY_PREFIX)]
        return tuple(keys) if len(keys) >= threads.get(worker.address, math.inf) else ()

    return [replace(worker, busy=filling(worker)) for worker in workers]


def drains(dask_worker: Worker) -> bool:
    """Whether a worker drains: no actor should go there. Runs on its event loop."""
    office = PostOffice.at(dask_worker)
    return office is not None and office.drain.begun


async def end_drain(dask_worker: Worker) -> None:
    """Let a worker end without a move of its actors: there is nowhere to go. Runs on its event loop."""
    office = PostOffice.at(dask_worker)
    if office is not None:
        await office.drain.end()


def claims_on_worker(dask_worker: Worker) -> tuple[Claim, ...]:
    """The claims of gates on this worker. Runs on its event loop."""
    office = PostOffice.at(dask_worker)
    return tuple(office.claims.values()) if office is not None else ()
