"""What a network does at a moment: little enough to be asked for every second."""

import math
from dataclasses import dataclass

from akkordeon_dask.messages import PassProgress, PassReport
from akkordeon_dask.telemetry._network import Incident, NetworkTelemetry
from akkordeon_dask.telemetry._rates import GateRates, SentinelRates

__all__ = ["LiveGate", "LiveSentinel", "LiveStatus", "live_status", "mean_delay"]

_TROUBLES = 5


@dataclass(frozen=True, slots=True)
class LiveGate:
    """A gate. Rates are those between its worker's last two heartbeats; NaN: not known, or not any more."""

    name: str
    worker: str
    """The name of its worker."""
    is_reported: bool
    """Its worker tells of it."""
    busy: float
    """Share of the time that its thread works, from 0 to 1."""
    forwards_per_s: float
    """Samples of training, validation and prediction."""
    backwards_per_s: float
    """Samples."""
    updates_per_s: float
    mailbox: int
    """Batches that wait."""
    versions: int
    """Versions of the parameters that are held."""
    delay: float
    """How late gradients are in the mean since it was made, in updates; NaN before the first."""


@dataclass(frozen=True, slots=True)
class LiveSentinel:
    """A sentinel that is at work."""

    name: str
    mode: str
    worker: str
    """The name of its worker."""
    state: str
    epoch: int
    """Passes that are finished, and the one that batches are drawn for."""
    epochs: int | None
    """Passes that it shall make; None: without end."""
    samples_per_s: float
    in_flight: int
    """Batches under way."""
    concurrency: int
    """Batches that may be under way."""
    lost: int
    """Samples that were given up."""
    last: PassReport | None
    """Its newest finished pass."""
    progress: PassProgress | None = None
    """The pass that it is in; None between two passes."""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """A network."""

    name: str
    ended: float | None
    """Seconds since 1970 when it was closed, or its last gate was gone."""
    gates: tuple[LiveGate, ...]
    """Front to back."""
    sentinels: tuple[LiveSentinel, ...]
    """Those that train come first."""
    incidents: tuple[Incident, ...]
    """The newest, newest first."""
    incidents_seen: int


def live_status(record: NetworkTelemetry, now: float) -> LiveStatus:
    """What a record says of this moment; it shares nothing with it that changes."""
    here = record.at_work
    newest = _newest(record, {one.metrics.name for one in here})
    return LiveStatus(
        name=record.name,
        ended=record.ended,
        gates=tuple(_gate(gate, now) for gate in record.gates.values()),
        sentinels=tuple(_sentinel(one, newest.get(one.metrics.name), now) for one in here),
        incidents=tuple(record.incidents)[: -_TROUBLES - 1 : -1],
        incidents_seen=record.incidents_seen,
    )


def _newest(record: NetworkTelemetry, wanted: set[str]) -> dict[str, PassReport]:
    """The newest pass of each of these sentinels, of those that are kept."""
    found: dict[str, PassReport] = {}
    for one in reversed(record.passes):
        if len(found) == len(wanted):
            break
        if one.sentinel in wanted:
            found.setdefault(one.sentinel, one)
    return found


def _gate(gate: GateRates, now: float) -> LiveGate:
    figures = gate.metrics
    return LiveGate(
        name=figures.name,
        worker=gate.worker,
        is_reported=gate.is_reported,
        busy=min(gate.rate("busy", now), 1.0),  # in this order NaN stays
        forwards_per_s=gate.rate("forwards", now) + gate.rate("evaluated", now),
        backwards_per_s=gate.rate("backwards", now),
        updates_per_s=gate.rate("updates", now),
        mailbox=figures.mailbox,
        versions=figures.versions,
        delay=mean_delay(figures.delays),
    )


def mean_delay(delays: tuple[tuple[int, int], ...]) -> float:
    """The mean of a histogram of (delay, gradients), in updates; NaN where there are none."""
    total = sum(count for _, count in delays)
    return sum(delay * count for delay, count in delays) / total if total else math.nan


def _sentinel(sentinel: SentinelRates, last: PassReport | None, now: float) -> LiveSentinel:
    figures = sentinel.metrics
    return LiveSentinel(
        name=figures.name,
        mode=figures.mode,
        worker=sentinel.worker,
        state=figures.state,
        epoch=figures.epoch,
        epochs=figures.epochs,
        samples_per_s=sentinel.rate("samples", now),
        in_flight=figures.in_flight,
        concurrency=figures.concurrency,
        lost=figures.lost,
        last=last,
        progress=figures.progress,
    )
