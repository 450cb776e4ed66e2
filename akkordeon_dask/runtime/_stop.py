"""End a network, whoever deployed it."""

import asyncio
import contextlib
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._on_worker import close_gates, close_sentinels
from akkordeon_dask.runtime._registry import get, unpublish
from akkordeon_dask.runtime.cluster._workers import list_workers

__all__ = ["stop"]


def stop(name: str, client: Client) -> Any:
    """End a published network: its gates, its sentinels, its name. Other networks are left alone.

    Whoever waits for it gets a ClosedError: its owner, if there is one, and those who attached sentinels. They let go
    of what they hold when they close.

    Returns
    -------
    bool
        whether there was one of this name; with an asynchronous client, an awaitable of it.
    """
    check_name("a network's name", name)
    return check_client(client).sync(_stop, name, client)


async def _stop(name: str, client: Client) -> bool:
    record = await get(client, name)
    if record is None:
        return False
    workers = [worker.address for worker in await list_workers(client)]
    # The gates first: who follows a gate learns that the network has ended, and not that a sentinel is gone.
    await _tell({worker for _, worker, _ in record.gates}.intersection(workers), client, close_gates, record.keys)
    await unpublish(client, name, record.keys)
    await _tell(workers, client, close_sentinels, name)
    return True


async def _tell(workers: Any, client: Client, function: Any, *args: Any) -> None:
    """Run a function on workers; who does not answer in time, or is gone, is let be."""

    async def tell(worker: str) -> None:
        with contextlib.suppress(TimeoutError, OSError, KeyError):
            async with asyncio.timeout(config.seconds("timeouts.close")):
                await client.run(function, *args, workers=[worker], on_error="ignore")

    await asyncio.gather(*map(tell, workers))
