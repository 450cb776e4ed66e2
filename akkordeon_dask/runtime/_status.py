"""Networks, their gates and sentinels, and the workers of a cluster, whoever deployed or attached them."""

from collections.abc import Awaitable

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._live import read_telemetry
from akkordeon_dask.runtime._registry import NetworkEntry, get, names, require
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.telemetry import NetworkStatus, PublishedNetwork, network_status

__all__ = ["networks", "status", "worker_names"]


@verb
def status(client: Client, name: str | None = None) -> Awaitable[tuple[NetworkStatus, ...]]:
    """The networks of the cluster with their gates, and the sentinels of all clients.

    It reads the heartbeats that the scheduler has received, and asks no actor: figures are a second or two old, those
    of a gate are unknown until its worker's first heartbeat, half a second after it was deployed, and a sentinel is
    listed from its first heartbeat on.

    Parameters
    ----------
    name
        of one network; None: all.

    Returns
    -------
    tuple of NetworkStatus
        with an asynchronous client, an awaitable of one.

    Raises
    ------
    DeploymentError
        when there is no network of this name: lists those there are.
    DeadlineError
        when the scheduler does not answer within `akkordeon.timeouts.connect`.

    Examples
    --------
    >>> from akkordeon_dask import Gate, deploy, nn, optim, status
    >>> with deploy(Gate(nn.Linear(4, 2), optim.SGD(0.1)), name="digits") as running:
    ...     [(network.name, [gate.name for gate in network.gates]) for network in status(running.client)]
    [('digits', ['g0'])]
    """
    return _status(check_client(client), name if name is None else check_name("a network's name", name))


async def _status(client: Client, name: str | None) -> tuple[NetworkStatus, ...]:
    async with scheduler_deadline(client, config.seconds("timeouts.connect")):
        entries = [await require(client, name)] if name is not None else await _entries(client)
        published = [PublishedNetwork(entry.name, entry.owner, entry.gates) for entry in entries]
        return await read_telemetry(client, network_status, published) if published else ()


async def _entries(client: Client) -> list[NetworkEntry]:
    """All networks, without those that are closed meanwhile."""
    return [entry for one in await names(client) if (entry := await get(client, one)) is not None]


@verb
def networks(client: Client) -> Awaitable[list[str]]:
    """The names of all networks on the cluster, sorted; with an asynchronous client, an awaitable of them."""
    return names(check_client(client))


@verb
def worker_names(client: Client) -> Awaitable[dict[str, str]]:
    """The names of all workers by address; with an asynchronous client, an awaitable of them."""
    return _worker_names(check_client(client))


async def _worker_names(client: Client) -> dict[str, str]:
    return {worker.address: worker.name for worker in await list_workers(client)}
