"""All networks of a cluster, as heartbeats and events show them."""

import dataclasses
import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from akkordeon_dask.messages import TOPIC, PassReport
from akkordeon_dask.telemetry._network import GateSpec, Incident, NetworkTelemetry
from akkordeon_dask.telemetry._rates import gate_metrics, sentinel_metrics

__all__ = ["Heartbeat", "TelemetryStore"]

logger = logging.getLogger(__name__)

_REQUESTED = frozenset(("paused", "resumed"))
"""Events that somebody asked for: no incidents."""

_NETWORKS = 32


class Heartbeat(NamedTuple):
    """The newest heartbeat of a worker."""

    address: str
    name: str
    metrics: Mapping[str, Any]
    """Its part under `akkordeon`."""


class TelemetryStore:
    """The networks of a cluster over the last hour, in bounded memory.

    `update` with all heartbeats once a second and `event` with each event are all that changes it, on one event loop.
    """

    def __init__(self) -> None:
        self.networks: dict[str, NetworkTelemetry] = {}
        self._traffic: dict[tuple[str, str], tuple[float, int]] = {}

    def update(self, heartbeats: Iterable[Heartbeat], now: float) -> None:
        """Read all heartbeats and add a row to each network's history; `now` in seconds since 1970."""
        heartbeats = list(heartbeats)
        for network in self.networks.values():
            network.begin_round()
        for one in heartbeats:
            try:
                self._read(one, now)
            except (KeyError, TypeError, ValueError) as error:
                logger.warning("worker %s reports its actors in another form: %r", one.address, error)
        rates = self._link_rates(heartbeats)
        for network in self.networks.values():
            workers = network.workers
            network.append_row(
                now, {(a.name, b.name): rate for a, b, rate in rates if {a.address, b.address} <= workers}
            )

    def _read(self, heartbeat: Heartbeat, now: float) -> None:
        worker = heartbeat.name, heartbeat.address
        for reported in heartbeat.metrics.get("gates", ()):
            gate = gate_metrics(reported)
            self._network(gate.network).update_gate(gate, *worker, now)
        for reported in heartbeat.metrics.get("sentinels", ()):
            sentinel = sentinel_metrics(reported)
            self._network(sentinel.network).update_sentinel(sentinel, *worker, now)

    def _network(self, name: str) -> NetworkTelemetry:
        """A network by its name, made where there is none."""
        network = self.networks.get(name)
        if network is None:
            network = self.networks[name] = NetworkTelemetry(name)
            ended = sorted((one for one in self.networks.values() if one.ended), key=lambda one: one.ended or 0.0)
            for one in ended[: max(0, len(self.networks) - _NETWORKS)]:
                del self.networks[one.name]
        return network

    def _link_rates(self, heartbeats: list[Heartbeat]) -> list[tuple[Heartbeat, Heartbeat, float]]:
        """Bytes a second over each connection between two workers."""
        by_address = {one.address: one for one in heartbeats}
        before, self._traffic, rates = self._traffic, {}, []
        for one in heartbeats:
            for link in one.metrics.get("links", ()):
                peer = by_address.get(link["peer"])
                if peer is None:
                    continue
                at, total = float(one.metrics["at"]), int(link["nbytes"])
                self._traffic[one.address, peer.address] = at, total
                then, old = before.get((one.address, peer.address), (at, total))
                rate = max(0, total - old) / (at - then) if at > then else math.nan
                rates.append((one, peer, rate))
        return rates

    def event(self, event: Any, now: float) -> None:
        """Take an event of the topic `akkordeon`; one that cannot be read is logged and dropped."""
        try:
            self._event(event, now)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            logger.warning("an event of the topic %r is not one: %r (%r)", TOPIC, event, error)

    def _event(self, event: Mapping[str, Any], now: float) -> None:
        name, kind = str(event["network"]), str(event["event"])
        if kind == "deployed":
            self._deployed(name, event, now)
            return
        network = self._network(name)
        if kind == "pass":
            report = PassReport.from_dict(event)
            network.add_pass(report if report.ended else _dated(report, network, now))
        elif kind == "closed":
            network.ended, network.closed = now, True
        elif kind not in _REQUESTED:
            if kind == "rolled back" and "finished" in event:
                network.passes.roll_back(str(event["sentinel"]), int(event["finished"]))
            who = str(event.get("sentinel") or event.get("gate") or name)
            network.add_incident(Incident(now, kind, who, str(event.get("text", ""))))

    def _deployed(self, name: str, event: Mapping[str, Any], now: float) -> None:
        specs = tuple(GateSpec(**gate) for gate in event["gates"])
        self.networks.pop(name, None)
        network = self._network(name)
        network.specs, network.settings, network.deployed = specs, dict(event.get("settings", {})), now

    def newest(self) -> NetworkTelemetry | None:
        """The network that runs and was deployed last; where none runs, the one that ended last."""
        networks = self.networks.values()
        running = [one for one in networks if one.ended is None]
        if running:
            return max(running, key=lambda one: one.deployed or 0.0)
        return max(networks, key=lambda one: one.ended or 0.0, default=None)


def _dated(report: PassReport, network: NetworkTelemetry, now: float) -> PassReport:
    """A pass of a program that does not report when it ended."""
    begun = now if network.deployed is None else network.deployed
    return dataclasses.replace(report, ended=now, elapsed=now - begun)
