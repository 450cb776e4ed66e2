"""Results of Dask that a client waits for, while workers may be short of memory."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.collections._rows import release_unused

__all__ = ["computed"]

_INTERVAL = 1.0
"""Seconds between two looks at the workers."""


async def computed(client: Client, futures: Sequence["Future[Any]"], what: str) -> list[Any]:
    """The results of futures; meanwhile paused workers get their unused memory back. On the client's event loop.

    Parameters
    ----------
    what
        is computed, for errors.

    Raises
    ------
    DataError
        when all workers stay paused for `timeouts.load`: names the remedy.
    """
    waiting = asyncio.ensure_future(client.gather(list(futures), asynchronous=True))
    paused = 0.0
    try:
        while not (await asyncio.wait({waiting}, timeout=_INTERVAL))[0]:
            paused = paused + _INTERVAL if await _all_paused(client) else 0.0
            if paused >= config.seconds("timeouts.load"):
                raise DataError(
                    f"{what}: Dask has paused all workers for {paused:.0f} s, for their memory is full: make "
                    "partitions smaller, or give the workers more memory (--memory-limit)"
                )
        found: list[Any] = waiting.result()
        return found
    finally:
        waiting.cancel()


async def _all_paused(client: Client) -> bool:
    workers = await list_workers(client)
    full = [worker.address for worker in workers if worker.paused]
    if not full:
        return False
    with suppress(TimeoutError):  # a worker that stands still is the scheduler's to find
        async with asyncio.timeout(_INTERVAL):
            await client.run(release_unused, workers=full, on_error="ignore")
    return len(full) == len(workers)
