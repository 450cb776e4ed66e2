"""Gates and links on the `/metrics` of their workers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from akkordeon_dask._metrics import Collector, Family, Metric, families, label
from akkordeon_dask.actors.transport._link import Link
from akkordeon_dask.messages import GateMetrics, LinkMetrics, Metrics

__all__ = ["WORKER_COLLECTOR", "WorkerSource", "collect_workers"]


class WorkerSource(Protocol):
    """A worker whose metrics are collected."""

    @property
    def address(self) -> str:
        """The worker's address."""

    @property
    def links(self) -> Mapping[str, Link]:
        """Its links, by the address of the peer."""

    def metrics(self) -> list[Metrics]:
        """The latest metrics of its actors. Any thread."""


_GATE = ("network", "gate", "worker")
"""Several workers in one process share a page: a worker's address keeps gates of the same name apart."""
_LINK = ("worker", "peer")

_GATES = (
    Family("akkordeon_gate_forward_samples_total", "forwards", "Samples of training whose forward pass is done."),
    Family("akkordeon_gate_backward_samples_total", "backwards", "Samples whose backward pass is done."),
    Family("akkordeon_gate_evaluated_samples_total", "evaluated", "Samples of validation and prediction."),
    Family("akkordeon_gate_updates_total", "updates", "Updates of the parameters."),
    Family("akkordeon_gate_busy_seconds_total", "busy", "Seconds of work of the gate."),
    Family("akkordeon_gate_failed_batches_total", "failed", "Batches that failed in the gate."),
    Family(
        "akkordeon_gate_dropped_messages_total", "dropped", "Repeated and late messages, and those of closed sentinels."
    ),
    Family("akkordeon_gate_received_bytes_total", "nbytes_in", "Bytes of received arrays, from any worker."),
    Family("akkordeon_gate_sent_bytes_total", "nbytes_out", "Bytes of sent arrays, to any worker."),
    Family("akkordeon_gate_mailbox_batches", "mailbox", "Batches waiting for the gate."),
    Family("akkordeon_gate_contexts", "contexts", "Batches whose forward pass is kept for their backward pass."),
    Family("akkordeon_gate_versions", "versions", "Versions of the parameters that are held."),
    Family("akkordeon_gate_parameters", "parameters", "Numbers that training adjusts."),
)

_LINKS = (
    Family("akkordeon_link_sent_bytes_total", "nbytes", "Bytes written to the peer."),
    Family("akkordeon_link_lost_messages_total", "lost", "Messages dropped because the peer was gone or did not read."),
    Family("akkordeon_link_unsent_bytes", "unsent", "Bytes that the peer has not acknowledged."),
    Family("akkordeon_link_failing_seconds", "failing", "Seconds for which no attempt to connect has succeeded."),
)

_DELAYS = (0, 1, 2, 4, 8, 16, 32)
"""Bounds, in updates. Gates report delays from 64 on as 64, so no bound above the last one would hold."""


def collect_workers(workers: Iterable[WorkerSource]) -> Iterator[Metric]:
    """The families of these workers' gates and links. Any thread: metrics are replaced, never changed."""
    gates: dict[tuple[str, ...], GateMetrics] = {}
    links: dict[tuple[str, ...], LinkMetrics] = {}
    for worker in workers:
        address = label(worker.address)
        own = [metrics for metrics in worker.metrics() if isinstance(metrics, GateMetrics)]
        gates |= {(label(metrics.network), label(metrics.name), address): metrics for metrics in own}
        links |= {(address, label(link.peer)): link.metrics() for link in list(worker.links.values())}
    yield from families(_GATES, _GATE, gates)
    yield _delays(gates)
    yield from families(_LINKS, _LINK, links)


def _delays(gates: Mapping[tuple[str, ...], GateMetrics]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    text = "Updates between a gradient's forward pass and its own update; longer than 64 count as 64."
    family = HistogramMetricFamily("akkordeon_gate_delay_updates", text, labels=_GATE)
    for values, metrics in gates.items():
        below = [(str(float(bound)), sum(n for delay, n in metrics.delays if delay <= bound)) for bound in _DELAYS]
        everything = sum(n for _, n in metrics.delays)
        family.add_metric(values, [*below, ("+Inf", everything)], sum(delay * n for delay, n in metrics.delays))
    return family


WORKER_COLLECTOR: Collector[WorkerSource] = Collector(collect_workers)
"""The post offices of this process: each adds itself at its setup and leaves at its teardown."""
