"""Retire a worker that holds gates and sentinels."""

from collections.abc import Awaitable

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import retire as retire_on_scheduler
from akkordeon_dask.errors import PlacementError
from akkordeon_dask.placement import find_workers
from akkordeon_dask.runtime._arguments import check_client
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.cluster._workers import list_workers

__all__ = ["retire"]

_MORE = 20.0
"""Seconds beyond a drain's limit in which the scheduler answers."""


@verb
def retire(worker: str, client: Client) -> Awaitable[str]:
    """Move the gates and sentinels of all networks off a worker, and end the worker; returns its address.

    Parameters
    ----------
    worker
        its name, address or host.

    Raises
    ------
    PlacementError
        when there is no such worker, or it stays because something on it cannot move.
    DeadlineError
        when the scheduler does not answer.
    """
    return _retire(worker, check_client(client))


async def _retire(worker: str, client: Client) -> str:
    found = find_workers(worker, await list_workers(client), "drain")[0]
    async with scheduler_deadline(client, config.seconds("supervision.leave") + _MORE):
        reason: str = await client.run_on_scheduler(retire_on_scheduler, found.address)
    if reason:
        raise PlacementError(f"worker {found} is not retired: {reason}")
    return found.address
