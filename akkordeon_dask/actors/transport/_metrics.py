"""Gates and links on the `/metrics` of their workers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from akkordeon_dask._metrics import Collector, Family, families, label
from akkordeon_dask.messages import GateMetrics, LinkMetrics

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from akkordeon_dask.actors.transport._post_office import PostOffice

__all__ = ["WORKER_COLLECTOR", "collect_workers"]

_GATE = ("network", "gate", "worker")
"""Several workers in one process have one page: a worker's address keeps gates of the same name apart."""
_LINK = ("worker", "peer")

_GATES = (
    Family("akkordeon_gate_forward_samples_total", "forwards", "Samples of training whose forward pass is done."),
    Family("akkordeon_gate_backward_samples_total", "backwards", "Samples whose backward pass is done."),
    Family("akkordeon_gate_evaluated_samples_total", "evaluated", "Samples of validation and prediction."),
    Family("akkordeon_gate_updates_total", "updates", "Updates of the parameters."),
    Family("akkordeon_gate_busy_seconds_total", "busy", "Seconds of work of the gate's thread."),
    Family("akkordeon_gate_failed_batches_total", "failed", "Batches that the gate could not work on."),
    Family("akkordeon_gate_dropped_messages_total", "dropped", "Messages that were repeated, late or of nobody."),
    Family("akkordeon_gate_received_bytes_total", "nbytes_in", "Bytes of arrays that came, from any worker."),
    Family("akkordeon_gate_sent_bytes_total", "nbytes_out", "Bytes of arrays that were sent on, to any worker."),
    Family("akkordeon_gate_mailbox_batches", "mailbox", "Batches that wait for the gate."),
    Family("akkordeon_gate_contexts", "contexts", "Batches whose forward pass is kept for their backward pass."),
    Family("akkordeon_gate_versions", "versions", "Versions of the parameters that are held."),
    Family("akkordeon_gate_parameters", "parameters", "Numbers that training adjusts."),
)

_LINKS = (
    Family("akkordeon_link_sent_bytes_total", "nbytes", "Bytes that were written to the peer."),
    Family("akkordeon_link_lost_messages_total", "lost", "Messages for a peer that was gone or did not read."),
    Family("akkordeon_link_unsent_bytes", "unsent", "Bytes that the peer has not acknowledged."),
)

_DELAYS = (0, 1, 2, 4, 8, 16, 32)
"""Bounds, in updates. Gates tell delays from 64 on as 64, so no bound above the last one would hold."""


def collect_workers(offices: "Iterable[PostOffice]") -> "Iterator[Metric]":
    """What the gates and links of these post offices tell. Any thread: figures are replaced, never changed."""
    gates: dict[tuple[str, ...], GateMetrics] = {}
    links: dict[tuple[str, ...], LinkMetrics] = {}
    for office in offices:
        worker = label(office.address)
        told = [figures for figures in office.figures() if isinstance(figures, GateMetrics)]
        gates |= {(label(figures.network), label(figures.name), worker): figures for figures in told}
        links |= {(worker, label(link.peer)): link.figures() for link in list(office.links.values())}
    yield from families(_GATES, _GATE, gates)
    yield _delays(gates)
    yield from families(_LINKS, _LINK, links)


def _delays(gates: Mapping[tuple[str, ...], GateMetrics]) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    text = "Updates between a gradient's forward pass and its own update; longer than 64 count as 64."
    family = HistogramMetricFamily("akkordeon_gate_delay_updates", text, labels=_GATE)
    for values, figures in gates.items():
        below = [(str(float(bound)), sum(n for delay, n in figures.delays if delay <= bound)) for bound in _DELAYS]
        everything = sum(n for _, n in figures.delays)
        family.add_metric(values, [*below, ("+Inf", everything)], sum(delay * n for delay, n in figures.delays))
    return family


WORKER_COLLECTOR: "Collector[PostOffice]" = Collector(collect_workers)
"""The post offices of this process that are open: each adds itself at its setup and leaves at its teardown."""
