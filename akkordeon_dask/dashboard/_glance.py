"""What a network does at a moment: little enough to be asked for every second."""

import math
from dataclasses import dataclass

from akkordeon_dask.dashboard._meter import GateMeter, SentinelMeter
from akkordeon_dask.dashboard._record import NetworkRecord, Trouble
from akkordeon_dask.messages import PassProgress, PassReport

__all__ = ["GateGlance", "Glance", "SentinelGlance", "mean_delay", "take_glance"]

_TROUBLES = 5


@dataclass(frozen=True, slots=True)
class GateGlance:
    """A gate. Rates are those between its worker's last two heartbeats; NaN: not known, or not any more."""

    name: str
    worker: str
    """The name of its worker."""
    here: bool
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
class SentinelGlance:
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
class Glance:
    """A network."""

    name: str
    ended: float | None
    """Seconds since 1970 when it was closed, or its last gate was gone."""
    gates: tuple[GateGlance, ...]
    """Front to back."""
    sentinels: tuple[SentinelGlance, ...]
    """Those that train come first."""
    troubles: tuple[Trouble, ...]
    """The newest, newest first."""
    troubles_seen: int


def take_glance(record: NetworkRecord, now: float) -> Glance:
    """What a record says of this moment; it shares nothing with it that changes."""
    here = record.at_work
    newest = _newest(record, {one.figures.name for one in here})
    return Glance(
        name=record.name,
        ended=record.ended,
        gates=tuple(_gate(gate, now) for gate in record.gates.values()),
        sentinels=tuple(_sentinel(one, newest.get(one.figures.name), now) for one in here),
        troubles=tuple(record.troubles)[: -_TROUBLES - 1 : -1],
        troubles_seen=record.troubles_seen,
    )


def _newest(record: NetworkRecord, wanted: set[str]) -> dict[str, PassReport]:
    """The newest pass of each of these sentinels, of those that are kept."""
    found: dict[str, PassReport] = {}
    for one in reversed(record.passes):
        if len(found) == len(wanted):
            break
        if one.sentinel in wanted:
            found.setdefault(one.sentinel, one)
    return found


def _gate(gate: GateMeter, now: float) -> GateGlance:
    figures = gate.figures
    return GateGlance(
        name=figures.name,
        worker=gate.worker,
        here=gate.here,
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


def _sentinel(sentinel: SentinelMeter, last: PassReport | None, now: float) -> SentinelGlance:
    figures = sentinel.figures
    return SentinelGlance(
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
