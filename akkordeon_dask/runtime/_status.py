"""What runs on a cluster, whoever deployed or attached it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import SentinelState, SentinelStatistics
from akkordeon_dask.messages import Mode, PassReport
from akkordeon_dask.placement import WorkerInfo
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._on_worker import Look, look
from akkordeon_dask.runtime._registry import NetworkEntry, names, require
from akkordeon_dask.runtime.cluster._queries import ask_workers, scheduler_deadline
from akkordeon_dask.runtime.cluster._workers import list_workers

__all__ = ["GateStatus", "NetworkStatus", "SentinelStatus", "networks", "status", "worker_names"]

INTERVAL = 0.5
"""Seconds between the two looks that rates come from."""


@dataclass(frozen=True)
class GateStatus:
    """A gate. Its figures are None where its worker is gone or does not answer."""

    name: str
    worker: str
    """The name of its worker."""
    address: str
    """The address of its worker."""
    state: str
    """`running`, `lost` with its worker, or `no answer`."""
    version: int | None = None
    """Updates since it was made."""
    updates_per_s: float | None = None
    samples_per_s: float | None = None
    """Samples of training, validation and prediction."""
    busy: float | None = None
    """Share of the time that its thread works, from 0 to 1."""
    mailbox: int | None = None
    """Batches that wait."""
    contexts: int | None = None
    """Batches whose backward pass is to come."""


@dataclass(frozen=True)
class SentinelStatus:
    """A sentinel of whatever client."""

    name: str
    mode: Mode
    worker: str
    """The name of its worker."""
    address: str
    """The address of its worker."""
    state: SentinelState
    report: PassReport | None
    """Its last finished pass."""


@dataclass(frozen=True)
class NetworkStatus:
    """A network that is published on the cluster."""

    name: str
    owner: str | None
    """The id of the client that deployed it; None: that one is gone, and nobody will close the network."""
    gates: tuple[GateStatus, ...]
    """Front to back."""
    sentinels: tuple[SentinelStatus, ...]


def status(client: Client, name: str | None = None) -> Any:
    """What runs on the cluster: networks with their gates, and the sentinels of all clients.

    It takes a good half second, for rates are seen between two looks. Who does not answer is said not to: it never
    waits longer than `akkordeon.timeouts.connect`.

    Parameters
    ----------
    name
        of one network; None: all.

    Returns
    -------
    tuple of NetworkStatus
        or, with an asynchronous client, an awaitable of one.

    Raises
    ------
    DeploymentError
        when there is no network of this name: lists those there are.
    DeadlineError
        when the scheduler does not answer.
    """
    if name is not None:
        check_name("a network's name", name)
    return check_client(client).sync(_status, client, name)


def networks(client: Client) -> Any:
    """The names of all networks on the cluster, a sorted list; with an asynchronous client, an awaitable of it."""
    return check_client(client).sync(names, client)


def worker_names(client: Client) -> Any:
    """The names of all workers, a dict by address; with an asynchronous client, an awaitable of it."""
    return client.sync(_worker_names, client)


async def _worker_names(client: Client) -> dict[str, str]:
    return {worker.address: worker.name for worker in await list_workers(client)}


async def _status(client: Client, name: str | None) -> tuple[NetworkStatus, ...]:
    limit = config.seconds("timeouts.connect")
    async with scheduler_deadline(client, limit):
        records = [await require(client, one) for one in ([name] if name is not None else await names(client))]
        clients = await client.run_on_scheduler(_clients)
        workers = {worker.address: worker for worker in await list_workers(client)}
    looks = await _looks(client, workers, INTERVAL, limit / 2) if records else {}
    return tuple(_network(record, clients, workers, looks) for record in records)


def _clients(dask_scheduler: Any) -> list[str]:
    """On the scheduler: the clients that it knows now."""
    return [str(client) for client in dask_scheduler.clients]


async def _looks(client: Client, workers: Iterable[str], interval: float, limit: float) -> dict[str, Look]:
    """What each worker says about its actors; those are missing that do not answer within `limit` seconds."""
    told = await ask_workers(client, look, workers, limit, interval)
    return {worker: answer for worker, answer in told.items() if isinstance(answer, Look)}


def _network(
    record: NetworkEntry, clients: list[str], workers: dict[str, WorkerInfo], looks: dict[str, Look]
) -> NetworkStatus:
    gates = [_gate(*place, workers, looks) for place in record.gates]
    sentinels = [
        _sentinel(one, workers) for told in looks.values() for one in told.sentinels if one.network == record.name
    ]
    owner = record.owner if record.owner in clients else None
    return NetworkStatus(record.name, owner, tuple(gates), tuple(sorted(sentinels, key=_rank)))


def _rank(sentinel: SentinelStatus) -> tuple[bool, str, str]:
    return sentinel.mode != "train", sentinel.name, sentinel.address


def _gate(name: str, address: str, key: str, workers: dict[str, WorkerInfo], looks: dict[str, Look]) -> GateStatus:
    worker = workers.get(address)
    if worker is None:
        return GateStatus(name, "", address, "lost")
    seen = looks[address].gates.get(key) if address in looks else None
    if seen is None:
        return GateStatus(name, worker.name, address, "no answer")
    before, after = seen.before, seen.after
    return GateStatus(
        name,
        worker.name,
        address,
        "running",
        version=after.version,
        updates_per_s=(after.counts.updates - before.counts.updates) / seen.seconds,
        samples_per_s=(_samples(after) - _samples(before)) / seen.seconds,
        busy=min(1.0, (after.busy - before.busy) / seen.seconds),
        mailbox=after.mailbox.waiting,
        contexts=after.contexts,
    )


def _samples(gate: Any) -> int:
    return int(gate.counts.samples + gate.counts.evaluated)


def _sentinel(told: SentinelStatistics, workers: dict[str, WorkerInfo]) -> SentinelStatus:
    worker = workers[told.worker]
    return SentinelStatus(told.sentinel, told.mode, worker.name, told.worker, told.state, told.last)
