"""A network at a moment: little enough to be asked for every second."""

import math
from dataclasses import dataclass
from typing import Literal

from akkordeon_dask.messages import Mode, PassProgress, PassReport
from akkordeon_dask.telemetry._network import Incident, NetworkTelemetry
from akkordeon_dask.telemetry._rates import GateRates, SentinelRates

__all__ = [
    "LiveGate",
    "LiveSentinel",
    "LiveStatus",
    "largest_delay",
    "live_gate",
    "live_sentinels",
    "live_status",
    "mean_delay",
]

_INCIDENTS = 5


@dataclass(frozen=True, slots=True)
class LiveGate:
    """A gate, as the last heartbeats of its worker show it.

    Rates are those between two heartbeats, NaN where they are not known. Counts are None before the first heartbeat,
    and where the gate is not `running`.

    Examples
    --------
    >>> from akkordeon_dask import Gate, deploy, nn, optim, status
    >>> network = Gate(nn.Linear(4, 3), optim.SGD(0.1)) | Gate(nn.Linear(3, 2), optim.SGD(0.1))
    >>> with deploy(network, name="digits") as running:
    ...     [(gate.name, gate.state) for gate in status(running.client, "digits")[0].gates]
    [('g0', 'running'), ('g1', 'running')]
    """

    name: str
    worker: str
    """The name of its worker; empty where the worker was lost before it reported the gate."""
    address: str
    """The address of its worker."""
    state: Literal["running", "lost", "stuck", "no answer", "ended"]
    """`lost` with its worker; `stuck` in one computation for far too long, see `stuck`; `no answer`: its worker, or its
    thread, has reported nothing new for several seconds; `ended` with its network."""
    version: int | None = None
    """Batches that are part of its parameters, or wait for others to update with, since it was deployed."""
    busy: float = math.nan
    """Share of the time that it computes, from 0 to 1."""
    samples_per_s: float = math.nan
    """Samples of training, validation and prediction, forward."""
    backwards_per_s: float = math.nan
    """Samples, backward."""
    updates_per_s: float = math.nan
    mailbox: int | None = None
    """Batches that wait."""
    contexts: int | None = None
    """Batches whose backward pass is to come."""
    versions: int | None = None
    """Versions of the parameters that are held."""
    delay: float = math.nan
    """Mean delay of all its gradients, in updates; NaN before the first."""
    largest_delay: int | None = None
    """Of all its gradients, in updates; 64: or more."""
    policy: str = ""
    """Its optimizer and what acts on late gradients, as they were written; empty where it was not announced."""
    stuck: str = ""
    """The batch, the worker and the calls in which it is stuck."""


@dataclass(frozen=True, slots=True)
class LiveSentinel:
    """A sentinel at work, of whatever client.

    Examples
    --------
    >>> from akkordeon_dask.telemetry import LiveSentinel
    >>> one = LiveSentinel(
    ...     "train0", "train", "alice", "tcp://10.0.0.2:40331", "running", epoch=3, epochs=10, samples_per_s=52000.0,
    ...     in_flight=4, concurrency=4, lost=0, report=None,
    ... )
    >>> f"{one.name} on {one.worker}: pass {one.epoch} of {one.epochs}"
    'train0 on alice: pass 3 of 10'
    """

    name: str
    mode: Mode
    worker: str
    """The name of its worker."""
    address: str
    """The address of its worker."""
    state: str
    epoch: int
    """Finished passes, and the one that batches are drawn for."""
    epochs: int | None
    """Passes after which it rests; None: without end."""
    samples_per_s: float
    in_flight: int
    """Batches in flight."""
    concurrency: int
    """Batches that may be in flight."""
    lost: int
    """Samples that were given up."""
    report: PassReport | None
    """Its last finished pass."""
    progress: PassProgress | None = None
    """The pass that it is in; None between two passes."""
    activity: str = ""
    """Its state in words, as `waiting for data since 12 s`."""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """A network that runs, or has ended."""

    name: str
    ended: float | None
    """Seconds since 1970 when it was closed, or its last gate was gone."""
    gates: tuple[LiveGate, ...]
    """Front to back; those that have been reported."""
    sentinels: tuple[LiveSentinel, ...]
    """Those that train come first; predictions are left out."""
    incidents: tuple[Incident, ...]
    """The newest, newest first."""
    incidents_seen: int


def live_status(network: NetworkTelemetry, now: float) -> LiveStatus:
    """A network at this moment; shares nothing with its telemetry that changes."""
    return LiveStatus(
        name=network.name,
        ended=network.ended,
        gates=tuple(live_gate(network, gate, now) for gate in network.gates.values()),
        sentinels=live_sentinels(network, network.at_work, now),
        incidents=tuple(network.incidents)[: -_INCIDENTS - 1 : -1],
        incidents_seen=network.incidents_seen,
    )


def live_gate(network: NetworkTelemetry, gate: GateRates, now: float) -> LiveGate:
    """A gate at this moment."""
    metrics, of = gate.metrics, (gate.metrics.name, gate.worker, gate.address)
    if network.ended is not None:
        return LiveGate(*of, "ended")
    if not gate.is_reported:
        return LiveGate(*of, "lost")
    if metrics.stuck:
        return LiveGate(*of, "stuck", stuck=metrics.stuck)
    if gate.is_silent(now):
        return LiveGate(*of, "no answer")
    return LiveGate(
        *of,
        "running",
        version=metrics.version,
        busy=min(gate.rate("busy", now), 1.0),  # in this order NaN stays
        samples_per_s=gate.rate("forwards", now) + gate.rate("evaluated", now),
        backwards_per_s=gate.rate("backwards", now),
        updates_per_s=gate.rate("updates", now),
        mailbox=metrics.mailbox,
        contexts=metrics.contexts,
        versions=metrics.versions,
        delay=mean_delay(metrics.delays),
        largest_delay=largest_delay(metrics.delays),
        policy=network.policies.get(metrics.name, ""),
    )


def mean_delay(delays: tuple[tuple[int, int], ...]) -> float:
    """The mean of a histogram of (delay, gradients), in updates; NaN where there are none."""
    total = sum(count for _, count in delays)
    return sum(delay * count for delay, count in delays) / total if total else math.nan


def largest_delay(delays: tuple[tuple[int, int], ...]) -> int | None:
    """The largest of a histogram of (delay, gradients), in updates; None where there are none."""
    return max((delay for delay, count in delays if count), default=None)


def live_sentinels(network: NetworkTelemetry, sentinels: list[SentinelRates], now: float) -> tuple[LiveSentinel, ...]:
    """Sentinels of a network at this moment, with the last pass of each."""
    last = network.last_passes((one.metrics.name, one.metrics.mode) for one in sentinels)
    return tuple(_sentinel(one, last.get((one.metrics.name, one.metrics.mode)), now) for one in sentinels)


def _sentinel(sentinel: SentinelRates, report: PassReport | None, now: float) -> LiveSentinel:
    metrics = sentinel.metrics
    return LiveSentinel(
        name=metrics.name,
        mode=metrics.mode,
        worker=sentinel.worker,
        address=sentinel.address,
        state=metrics.state,
        epoch=metrics.epoch,
        epochs=metrics.epochs,
        samples_per_s=sentinel.rate("samples", now),
        in_flight=metrics.in_flight,
        concurrency=metrics.concurrency,
        lost=metrics.lost,
        report=report,
        progress=metrics.progress,
        activity=metrics.activity,
    )
