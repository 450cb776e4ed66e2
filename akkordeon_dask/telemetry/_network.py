"""The telemetry of one network."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.messages import Confusion, GateMetrics, PassReport, SentinelMetrics
from akkordeon_dask.telemetry._pass_log import PassLog
from akkordeon_dask.telemetry._rates import GateRates, SentinelRates
from akkordeon_dask.telemetry._timeseries import TimeSeries

__all__ = ["GateSpec", "Incident", "NetworkTelemetry"]

HOUR = 3600
"""Rows, and seconds, that are kept."""
_INCIDENTS = 500
_SENTINELS = 200
_CONFUSIONS = 8


@dataclass(frozen=True, slots=True)
class GateSpec:
    """A gate, as it was deployed."""

    name: str
    worker: str
    """The address of its worker."""
    text: str
    """Its layers and optimizer, as they were written."""
    policy: str = ""
    """Of these the optimizer, and the options that act on late gradients."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong."""

    time: float
    """Seconds since 1970."""
    event: str
    """As `lost`, `restarted`, `failed`."""
    who: str
    """The gate or the sentinel, or else the network."""
    text: str


class NetworkTelemetry:
    """A network: its gates and sentinels now, its numbers over the last hour, its passes, its newest incidents.

    Columns of the history are named by kind and number, for names of gates and sentinels may be anything: `forward0`,
    `backward0`, `busy0`, `versions0` and `mailbox0` of the first gate, `samples0` and `in_flight0` of the first
    sentinel, `link0` of the first of `links`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.specs: tuple[GateSpec, ...] = ()
        self.settings: dict[str, Any] = {}
        self.deployed: float | None = None
        self.ended: float | None = None
        """Seconds since 1970 when it was closed, or its last gate was gone."""
        self.time = 0.0
        """Seconds since 1970 when its heartbeats were read last."""
        self.closed = False
        """Its owner has closed it: heartbeats that still report its gates are late."""
        self.gates: dict[str, GateRates] = {}
        self.sentinels: dict[str, SentinelRates] = {}
        self.links: dict[tuple[str, str], int] = {}
        """The number of each connection, by the names of the two workers."""
        self.history = TimeSeries(HOUR)
        self.passes = PassLog()
        self.confusions: dict[str, Confusion] = {}
        """Of the last pass of the sentinels that validated or tested last, by name; the newest last."""
        self.incidents: deque[Incident] = deque(maxlen=_INCIDENTS)
        self.incidents_seen = 0
        self._numbers = 0
        self._ranks: dict[str, dict[str, int]] = {}

    @property
    def policies(self) -> dict[str, str]:
        """Of each gate by its name: its optimizer and what acts on late gradients, as they were written."""
        return {spec.name: spec.policy for spec in self.specs}

    @property
    def actors(self) -> list[GateRates | SentinelRates]:
        """All gates and sentinels."""
        return [*self.gates.values(), *self.sentinels.values()]

    @property
    def at_work(self) -> list[SentinelRates]:
        """Sentinels that are reported, those that train first; those that predict are left out."""
        reported = [one for one in self.sentinels.values() if one.is_reported and one.metrics.mode != "predict"]
        return sorted(reported, key=lambda one: (one.metrics.mode != "train", one.number))

    @property
    def busiest(self) -> list[GateRates]:
        """Its gates, by the time that they have worked since they were deployed."""
        return sorted(self.gates.values(), key=lambda gate: gate.metrics.busy, reverse=True)

    @property
    def parameters(self) -> int:
        """The number of parameters that training adjusts."""
        return sum(gate.metrics.parameters for gate in self.gates.values())

    @property
    def workers(self) -> set[str]:
        """The addresses of the workers that its gates and sentinels are on."""
        return {one.address for one in self.actors if one.is_reported}

    def update_gate(self, metrics: GateMetrics, worker: str, address: str, now: float) -> None:
        """A worker, of this name and address, reports a gate."""
        if (gate := self.gates.get(metrics.name)) is not None:
            gate.update(metrics, worker, address, now)
        else:
            self.gates[metrics.name] = GateRates(metrics, worker, address, now)
            self.gates = dict(sorted(self.gates.items(), key=lambda item: item[1].metrics.position))

    def update_sentinel(self, metrics: SentinelMetrics, worker: str, address: str, now: float) -> None:
        """A worker, of this name and address, reports a sentinel."""
        if metrics.confusion is not None:
            self.add_confusion(metrics.name, metrics.confusion)
        if (sentinel := self.sentinels.get(metrics.name)) is not None:
            sentinel.update(metrics, worker, address, now)
            return
        sentinel = self.sentinels[metrics.name] = SentinelRates(metrics, worker, address, now)
        sentinel.number, sentinel.rank = self._numbers, self.rank(metrics.name, metrics.mode)
        self._numbers += 1

    def rank(self, sentinel: str, mode: str) -> int:
        """The number of sentinels of its mode that were seen before it."""
        ranks = self._ranks.setdefault(mode, {})
        return ranks.setdefault(sentinel, len(ranks))

    def begin_round(self) -> None:
        """Heartbeats are about to be read: no actor is reported yet."""
        for one in self.actors:
            one.is_reported = False

    def append_row(self, now: float, traffic: dict[tuple[str, str], float]) -> None:
        """Add a row to the history; `traffic` is in bytes/s between workers, by their names."""
        if not self.closed and any(gate.is_reported for gate in self.gates.values()):
            self.ended = None
        elif self.ended is None and self.gates:
            self.ended = now
        if self.ended is not None:
            return
        self.time = now
        self._drop_sentinels(now)
        row = {**self._gate_row(now), **self._sentinel_row(now)}
        for link, rate in traffic.items():
            row[f"link{self.links.setdefault(link, len(self.links))}"] = rate
        self.history.append(now, {name: value for name, value in row.items() if not math.isnan(value)})

    def _gate_row(self, now: float) -> dict[str, float]:
        row: dict[str, float] = {}
        for gate in self.gates.values():
            number, metrics = gate.metrics.position, gate.metrics
            row[f"forward{number}"] = gate.rate("forwards", now) + gate.rate("evaluated", now)
            row[f"backward{number}"] = gate.rate("backwards", now)
            row[f"busy{number}"] = min(gate.rate("busy", now), 1.0)  # in this order NaN stays
            if gate.is_reported:
                row[f"versions{number}"], row[f"mailbox{number}"] = metrics.versions, metrics.mailbox
        return row

    def _sentinel_row(self, now: float) -> dict[str, float]:
        row: dict[str, float] = {}
        for sentinel in self.at_work:
            row[f"samples{sentinel.number}"] = sentinel.rate("samples", now)
            row[f"in_flight{sentinel.number}"] = sentinel.metrics.in_flight
        return row

    def _drop_sentinels(self, now: float) -> None:
        """Forget sentinels that left an hour ago, or, where there are very many, that left."""
        for name, sentinel in list(self.sentinels.items()):
            if not sentinel.is_reported and (now - sentinel.last_report > HOUR or len(self.sentinels) > _SENTINELS):
                del self.sentinels[name]

    def last_passes(self, sentinels: Iterable[tuple[str, str]]) -> dict[tuple[str, str], PassReport]:
        """The newest finished pass of each of these sentinels, by name and mode, of the passes that are kept."""
        wanted = set(sentinels)
        found: dict[tuple[str, str], PassReport] = {}
        for one in reversed(self.passes):
            if not wanted:
                break
            if (key := (one.sentinel, one.mode)) in wanted:
                wanted.remove(key)
                found[key] = one
        return found

    def add_pass(self, one: PassReport) -> None:
        """A sentinel has finished a pass."""
        self.passes.append(one)

    def add_confusion(self, sentinel: str, confusion: Confusion) -> None:
        """A sentinel has finished a pass over samples with classes."""
        if self.confusions.get(sentinel) != confusion:
            self.confusions.pop(sentinel, None)
            self.confusions[sentinel] = confusion
            for name in list(self.confusions)[:-_CONFUSIONS]:
                del self.confusions[name]

    def add_incident(self, one: Incident) -> None:
        """Something went wrong."""
        self.incidents.append(one)
        self.incidents_seen += 1
