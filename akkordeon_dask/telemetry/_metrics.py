"""Sentinels on the scheduler's `/metrics`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from akkordeon_dask._metrics import Collector, Family, Metric, families, label
from akkordeon_dask.messages import PassReport, SentinelMetrics
from akkordeon_dask.telemetry._network import NetworkTelemetry
from akkordeon_dask.telemetry._store import TelemetryStore

__all__ = ["SCHEDULER_COLLECTOR", "SentinelSamples", "collect_sentinels"]

_SENTINEL = ("network", "sentinel", "mode", "worker")
"""Several schedulers in one process have one page: the address of its worker keeps a sentinel apart from a namesake."""

_SENTINELS = (
    Family("akkordeon_sentinel_samples_total", "samples", "Samples that came home."),
    Family("akkordeon_sentinel_lost_samples_total", "lost", "Samples that were given up."),
    Family("akkordeon_sentinel_resent_batches_total", "resent", "Batches that had to be sent more than once."),
    Family("akkordeon_sentinel_restarted_passes_total", "restarts", "Passes that began anew: a gate lost its pin."),
    Family("akkordeon_sentinel_dropped_messages_total", "dropped", "Messages that belonged to no batch under way."),
    Family("akkordeon_sentinel_busy_seconds_total", "busy", "Seconds of work of the sentinel's thread."),
    Family("akkordeon_sentinel_in_flight_batches", "in_flight", "Batches under way."),
    Family("akkordeon_sentinel_concurrency_batches", "concurrency", "Batches that may be under way."),
    Family("akkordeon_sentinel_epoch", "epoch", "Finished passes, and the one that batches are drawn for."),
)

_LOSSES = (Family("akkordeon_sentinel_loss", "loss", "Mean loss of the last finished pass."),)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A sentinel that is at work."""

    figures: SentinelMetrics
    worker: str
    """The address of its worker."""
    last: PassReport | None
    """Its last finished pass, if it has a loss."""


class SentinelSamples:
    """The sentinels on a board. Its owner replaces them, all at once, on its event loop; any thread may read them."""

    def __init__(self) -> None:
        self.sentinels: tuple[_Shown, ...] = ()

    def update(self, board: TelemetryStore) -> None:
        """Show those that their workers tell of. On the event loop that owns the board."""
        records = [record for record in board.networks.values() if record.ended is None]
        self.sentinels = tuple(shown for record in records for shown in _shown(record))


def _shown(record: NetworkTelemetry) -> Iterator[_Shown]:
    here = [sentinel for sentinel in record.sentinels.values() if sentinel.is_reported]
    last = _last(record, {(sentinel.metrics.name, sentinel.metrics.mode) for sentinel in here})
    for sentinel in here:
        figures = sentinel.metrics
        yield _Shown(figures, sentinel.address, last.get((figures.name, figures.mode)))


def _last(record: NetworkTelemetry, sentinels: set[tuple[str, str]]) -> dict[tuple[str, str], PassReport]:
    """The last pass of each of these sentinels, by name and mode; one that predicts has no loss."""
    wanted = {(name, mode) for name, mode in sentinels if mode != "predict"}
    last: dict[tuple[str, str], PassReport] = {}
    for one in reversed(record.passes):
        if not wanted:
            break
        if (key := (one.sentinel, one.mode)) in wanted:
            wanted.remove(key)
            last[key] = one
    return last


def collect_sentinels(showcases: Iterable[SentinelSamples]) -> Iterator[Metric]:
    """What the sentinels in these showcases tell. Any thread."""
    from prometheus_client.core import GaugeMetricFamily

    shown = {_labels(one): one for showcase in showcases for one in showcase.sentinels}
    passes = {labels: one.last for labels, one in shown.items() if one.last is not None}
    yield from families(_SENTINELS, _SENTINEL, {labels: one.figures for labels, one in shown.items()})
    yield from families(_LOSSES, _SENTINEL, passes)
    scores = GaugeMetricFamily(
        "akkordeon_sentinel_score", "Mean score of the last finished pass.", labels=(*_SENTINEL, "score")
    )
    for labels, last in passes.items():
        for score, value in last.scores.items():
            scores.add_metric((*labels, label(score)), value)
    yield scores


def _labels(one: _Shown) -> tuple[str, ...]:
    figures = one.figures
    return label(figures.network), label(figures.name), label(figures.mode), label(one.worker)


SCHEDULER_COLLECTOR: Collector[SentinelSamples] = Collector(collect_sentinels)
"""Those of the schedulers of this process: each adds its own with its monitor, and removes it when it closes."""
