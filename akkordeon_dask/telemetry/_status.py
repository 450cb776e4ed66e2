"""The networks that are published on a cluster, as its scheduler sees them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from distributed import Scheduler

from akkordeon_dask.telemetry._live import LiveGate, LiveSentinel, live_gate, live_sentinels
from akkordeon_dask.telemetry._network import NetworkTelemetry
from akkordeon_dask.telemetry._plugin import install
from akkordeon_dask.telemetry._rates import SILENT

__all__ = ["NetworkStatus", "PublishedNetwork", "network_status"]


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """A network that is published on the cluster.

    Examples
    --------
    >>> from akkordeon_dask import Gate, deploy, nn, optim, status
    >>> with deploy(Gate(nn.Linear(4, 2), optim.SGD(0.1)), name="digits") as running:
    ...     network = status(running.client, "digits")[0]
    ...     network.name, network.owner == running.client.id, network.sentinels
    ('digits', True, ())
    """

    name: str
    owner: str | None
    """The id of the client that deployed it or took it over; None: that client is gone, and nobody will close the
    network."""
    gates: tuple[LiveGate, ...]
    """Front to back."""
    sentinels: tuple[LiveSentinel, ...]
    """Those that train come first, then by name; also those that predict."""


class PublishedNetwork(NamedTuple):
    """A network, as its owner has published it."""

    name: str
    owner: str
    """The id of a client."""
    gates: tuple[tuple[str, str, str], ...]
    """Name, address of the worker, and key of each."""


def network_status(published: Iterable[PublishedNetwork], dask_scheduler: Scheduler) -> tuple[NetworkStatus, ...]:
    """Published networks at this moment, from heartbeats. On the scheduler's event loop."""
    networks, now = install(dask_scheduler).store.networks, time.time()
    return tuple(
        _status(one, networks.get(one.name) or NetworkTelemetry(one.name), dask_scheduler, now) for one in published
    )


def _status(one: PublishedNetwork, network: NetworkTelemetry, scheduler: Scheduler, now: float) -> NetworkStatus:
    sentinels = [s for s in network.sentinels.values() if s.is_reported and s.address in scheduler.workers]
    sentinels.sort(key=lambda sentinel: (sentinel.metrics.mode != "train", sentinel.metrics.name))
    return NetworkStatus(
        name=one.name,
        owner=one.owner if one.owner in scheduler.clients else None,
        gates=tuple(_gate(*gate, network, scheduler, now) for gate in one.gates),
        sentinels=live_sentinels(network, sentinels, now),
    )


def _gate(name: str, address: str, key: str, network: NetworkTelemetry, scheduler: Scheduler, now: float) -> LiveGate:
    """A gate by its key: a gate that was restarted has another, and is not reported yet."""
    worker, gate = scheduler.workers.get(address), network.gates.get(name)
    reported = gate if gate is not None and gate.metrics.key == key else None
    if worker is None:
        return LiveGate(name, reported.worker if reported is not None else "", address, "lost")
    if reported is not None:
        return live_gate(network, reported, now)
    return LiveGate(name, str(worker.name), address, "no answer" if now - worker.last_seen > SILENT else "running")
