"""End a network, whichever client deployed it."""

import logging
from collections.abc import Awaitable

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime._cuts import CutNetwork
from akkordeon_dask.runtime._on_worker import close_gates, close_sentinels
from akkordeon_dask.runtime._registry import NetworkEntry, forget, get, unpublish
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.cluster._queries import ask_workers
from akkordeon_dask.runtime.cluster._workers import list_workers

__all__ = ["stop"]

logger = logging.getLogger(__name__)

_LAST = 999_999
"""After all cuts of the owner."""


@verb
def stop(name: str, client: Client) -> Awaitable[bool]:
    """End a published network: its gates, its sentinels, its name. Other networks are left alone.

    A `wait` for it, by its owner or by other clients, raises a ClosedError. Each client releases the rest when it
    closes its `Running`.

    Returns
    -------
    bool
        whether there was a network of this name.

    Examples
    --------
    >>> from akkordeon_dask import Gate, deploy, nn, optim, stop
    >>> with deploy(Gate(nn.Linear(4, 2), optim.SGD(0.1)), name="digits") as running:
    ...     stop("digits", running.client), stop("digits", running.client)
    (True, False)
    """
    return finished(_stop(check_name("a network's name", name), check_client(client)))


async def _stop(name: str, client: Client) -> bool:
    entry = await get(client, name)
    if entry is None:
        return False
    if entry.snapshots is not None:
        await _keep_last(client, entry)
    workers = [worker.address for worker in await list_workers(client, ending=True)]
    # The gates first: clients that watch a gate learn that the network has ended, and not that a sentinel is gone.
    holders = {worker for _, worker, _ in entry.gates}.intersection(workers)
    limit = config.seconds("timeouts.close")
    await ask_workers(client, close_gates, holders, limit, entry.keys)
    await unpublish(client, name, entry.keys)
    await forget(client, entry.run)
    await ask_workers(client, close_sentinels, workers, limit, name)
    return True


async def _keep_last(client: Client, entry: NetworkEntry) -> None:
    """Write a last cut of all gates; where there is none an earlier one stays the newest."""
    network = CutNetwork(client, entry.name, entry.generation, entry.gates)
    try:
        await network.write(await network.take(_LAST, go_on=False), config.seconds("timeouts.close"), {})
    except (AkkordeonError, OSError) as error:  # a TimeoutError is one
        logger.info("network %r is stopped without a last cut: %s", entry.name, error)
