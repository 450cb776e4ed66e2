"""Sentinels on the scheduler's `/metrics`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from akkordeon_dask._metrics import Collector, Family, Metric, families, label
from akkordeon_dask.messages import PassReport, SentinelMetrics
from akkordeon_dask.telemetry._network import NetworkTelemetry
from akkordeon_dask.telemetry._store import TelemetryStore

__all__ = ["SCHEDULER_COLLECTOR", "SentinelSamples", "collect_sentinels"]

_LABELS = ("network", "sentinel", "mode", "worker")
"""Several schedulers in one process have one page: the address of its worker keeps a sentinel apart from a namesake."""

_SENTINELS = (
    Family("akkordeon_sentinel_samples_total", "samples", "Samples of completed batches."),
    Family("akkordeon_sentinel_lost_samples_total", "lost", "Samples that were given up."),
    Family("akkordeon_sentinel_resent_batches_total", "resent", "Batches that had to be sent more than once."),
    Family("akkordeon_sentinel_restarted_passes_total", "restarts", "Passes that were restarted: a gate lost its pin."),
    Family("akkordeon_sentinel_dropped_messages_total", "dropped", "Messages that belonged to no batch in flight."),
    Family("akkordeon_sentinel_busy_seconds_total", "busy", "Seconds of work of the sentinel."),
    Family("akkordeon_sentinel_in_flight_batches", "in_flight", "Batches in flight."),
    Family("akkordeon_sentinel_concurrency_batches", "concurrency", "Batches that may be in flight."),
    Family("akkordeon_sentinel_waiting_seconds", "waiting", "Seconds of waiting for the next batch of the provider."),
    Family("akkordeon_sentinel_epoch", "epoch", "Finished passes, and the one that batches are drawn for."),
)

_LOSSES = (Family("akkordeon_sentinel_loss", "loss", "Mean loss of the last finished pass."),)
_SCORES = (Family("akkordeon_sentinel_score", "value", "Mean score of the last finished pass."),)


@dataclass(frozen=True, slots=True)
class _Sample:
    """A sentinel at work."""

    metrics: SentinelMetrics
    worker: str
    """The address of its worker."""
    last: PassReport | None
    """Its last finished pass, if it has a loss."""


class _Score(NamedTuple):
    value: float


class SentinelSamples:
    """The sentinels of a store. Its owner replaces them, all at once, on its event loop; any thread may read them."""

    def __init__(self) -> None:
        self.sentinels: tuple[_Sample, ...] = ()

    def update(self, store: TelemetryStore) -> None:
        """Take the sentinels that their workers report. On the event loop that owns the store."""
        running = [network for network in store.networks.values() if network.ended is None]
        self.sentinels = tuple(sample for network in running for sample in _samples(network))


def _samples(network: NetworkTelemetry) -> Iterator[_Sample]:
    reported = [sentinel for sentinel in network.sentinels.values() if sentinel.is_reported]
    ids = [(sentinel.metrics.name, sentinel.metrics.mode) for sentinel in reported]
    last = network.last_passes(one for one in ids if one[1] != "predict")  # a prediction has no loss
    for one, sentinel in zip(ids, reported, strict=True):
        yield _Sample(sentinel.metrics, sentinel.address, last.get(one))


def collect_sentinels(sources: Iterable[SentinelSamples]) -> Iterator[Metric]:
    """The families of prometheus_client with the sentinels of these sources. Any thread."""
    samples = {_labels(sample): sample for source in sources for sample in source.sentinels}
    passes = {labels: sample.last for labels, sample in samples.items() if sample.last is not None}
    yield from families(_SENTINELS, _LABELS, {labels: sample.metrics for labels, sample in samples.items()})
    yield from families(_LOSSES, _LABELS, passes)
    scores = {
        (*labels, label(name)): _Score(value) for labels, last in passes.items() for name, value in last.scores.items()
    }
    yield from families(_SCORES, (*_LABELS, "score"), scores)


def _labels(sample: _Sample) -> tuple[str, ...]:
    metrics = sample.metrics
    return label(metrics.network), label(metrics.name), label(metrics.mode), label(sample.worker)


SCHEDULER_COLLECTOR: Collector[SentinelSamples] = Collector(collect_sentinels)
"""The sentinels of all schedulers of this process: a plugin adds its own, and removes them when it closes."""
