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

_NO_TROUBLE = frozenset(("paused", "resumed"))
"""Events that somebody asked for."""

_NETWORKS = 32


class Heartbeat(NamedTuple):
    """What a worker said last."""

    address: str
    name: str
    told: Mapping[str, Any]
    """Its heartbeat's part under `akkordeon`."""


class TelemetryStore:
    """What the scheduler knows of the networks on its cluster, for the last hour; bounded.

    It is told: `take` the heartbeats once a second, and each `event`. Nothing else changes it, on one event loop.
    """

    def __init__(self) -> None:
        self.networks: dict[str, NetworkTelemetry] = {}
        self._traffic: dict[tuple[str, str], tuple[float, int]] = {}

    def update(self, beats: Iterable[Heartbeat], now: float) -> None:
        """Read all heartbeats and write a row for each network; `now` in seconds since 1970."""
        beats = list(beats)
        for record in self.networks.values():
            record.begin_round()
        for beat in beats:
            try:
                self._read(beat, now)
            except (KeyError, TypeError, ValueError) as error:
                logger.warning("worker %s tells of its actors in another form: %r", beat.address, error)
        rates = self._rates(beats)
        for record in self.networks.values():
            workers = record.workers
            record.append_row(
                now, {(a.name, b.name): rate for a, b, rate in rates if {a.address, b.address} <= workers}
            )

    def _read(self, beat: Heartbeat, now: float) -> None:
        for told in beat.told.get("gates", ()):
            gate = gate_metrics(told)
            self._record(gate.network).gate(gate, beat.name, beat.address, now)
        for told in beat.told.get("sentinels", ()):
            sentinel = sentinel_metrics(told)
            self._record(sentinel.network).sentinel(sentinel, beat.name, beat.address, now)

    def _record(self, network: str) -> NetworkTelemetry:
        record = self.networks.get(network)
        if record is None:
            record = self.networks[network] = NetworkTelemetry(network)
            ended = sorted((one for one in self.networks.values() if one.ended), key=lambda one: one.ended or 0.0)
            for one in ended[: max(0, len(self.networks) - _NETWORKS)]:
                del self.networks[one.name]
        return record

    def _rates(self, beats: list[Heartbeat]) -> list[tuple[Heartbeat, Heartbeat, float]]:
        """Bytes a second over each connection between two workers."""
        by_address = {beat.address: beat for beat in beats}
        before, self._traffic, rates = self._traffic, {}, []
        for beat in beats:
            for link in beat.told.get("links", ()):
                peer = by_address.get(link["peer"])
                if peer is None:
                    continue
                at, total = float(beat.told["at"]), int(link["nbytes"])
                self._traffic[beat.address, peer.address] = at, total
                then, old = before.get((beat.address, peer.address), (at, total))
                rate = max(0, total - old) / (at - then) if at > then else math.nan
                rates.append((beat, peer, rate))
        return rates

    def event(self, told: Any, now: float) -> None:
        """Take an event of the topic `akkordeon`; one that cannot be read is logged and dropped."""
        try:
            self._event(told, now)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            logger.warning("an event of the topic %r is not one: %r (%r)", TOPIC, told, error)

    def _event(self, told: Mapping[str, Any], now: float) -> None:
        network, event = str(told["network"]), str(told["event"])
        if event == "deployed":
            self._deployed(network, told, now)
            return
        record = self._record(network)
        if event == "pass":
            report = PassReport.from_dict(told)
            record.add_pass(report if report.ended else _dated(report, record, now))
        elif event == "closed":
            record.ended, record.closed = now, True
        elif event not in _NO_TROUBLE:
            who = str(told.get("sentinel") or told.get("gate") or network)
            record.add_incident(Incident(now, event, who, str(told.get("text", ""))))

    def _deployed(self, network: str, told: Mapping[str, Any], now: float) -> None:
        specs = tuple(GateSpec(**gate) for gate in told["gates"])
        self.networks.pop(network, None)
        record = self._record(network)
        record.specs, record.settings, record.deployed = specs, dict(told.get("settings", {})), now

    def newest(self) -> NetworkTelemetry | None:
        """The network that runs and was deployed last; where none runs, the one that ended last."""
        networks = self.networks.values()
        running = [one for one in networks if one.ended is None]
        if running:
            return max(running, key=lambda one: one.deployed or 0.0)
        return max(networks, key=lambda one: one.ended or 0.0, default=None)


def _dated(report: PassReport, record: NetworkTelemetry, now: float) -> PassReport:
    """A pass of a program that does not tell when it ended."""
    begun = now if record.deployed is None else record.deployed
    return dataclasses.replace(report, ended=now, elapsed=now - begun)
