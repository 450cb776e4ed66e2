"""The plots over time: their columns of the history, the colours, and the curves in front."""

import functools
from collections.abc import Iterable
from itertools import islice, zip_longest

from bokeh.models import BasicTicker

from akkordeon_dask.dashboard.panes._theme import gate_color, sentinel_color
from akkordeon_dask.dashboard.panes._time_plot import Series, TimePlot
from akkordeon_dask.dashboard.panes._view import MOST
from akkordeon_dask.telemetry import NetworkTelemetry, SentinelRates

__all__ = ["busy", "in_flight", "throughput", "traffic", "versions"]


def throughput() -> TimePlot:
    """Samples a second of each gate and sentinel."""

    def lines(network: NetworkTelemetry) -> Iterable[Series]:
        lines = []
        for gate in network.gates.values():
            position, name = gate.metrics.position, gate.metrics.name
            lines.append(Series(f"forward{position}", name, gate_color(position)))
            lines.append(
                Series(f"backward{position}", f"{name}, backward", gate_color(position), "dashed", named=False)
            )
        lines += [
            Series(f"samples{one.number}", one.metrics.name, _color(one), "dotted") for one in _sentinels(network)
        ]
        return _with_front(lines, _in_turns(network, "forward", "samples") + _columns(network, "backward"))

    return TimePlot("Throughput", "samples/s", lines, note="gates: forward —, backward - -; sentinels ···")


def busy() -> TimePlot:
    """The share of the time that each gate works."""
    note = "the highest is the bottleneck"
    return TimePlot("Busy", "share of time", functools.partial(_of_gates, "busy"), form="0%", top=1.05, note=note)


def traffic() -> TimePlot:
    """Bytes a second from worker to worker."""

    def lines(network: NetworkTelemetry) -> Iterable[Series]:
        for (sender, receiver), number in network.links.items():
            yield Series(f"link{number}", f"{sender} → {receiver}", gate_color(number), front=number < MOST)

    pane = TimePlot("Traffic between workers", "bytes/s", lines, form="0.[0] b", note="batches and gradients sent over")
    pane.root.yaxis.ticker = BasicTicker(base=1024, mantissas=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
    pane.root.yaxis.ticker.num_minor_ticks = 0
    return pane


def in_flight() -> TimePlot:
    """Batches in flight of each sentinel, and those that wait before each gate."""

    def lines(network: NetworkTelemetry) -> Iterable[Series]:
        lines = [Series(f"in_flight{one.number}", one.metrics.name, _color(one)) for one in _sentinels(network)]
        for gate in network.gates.values():
            position, label = gate.metrics.position, f"waiting at {gate.metrics.name}"
            lines.append(Series(f"mailbox{position}", label, gate_color(position), "dashed", named=False))
        return _with_front(lines, _in_turns(network, "mailbox", "in_flight"))

    return TimePlot("In flight", "batches", lines, form="0.[0]", note="sent and not back yet —, waiting at a gate - -")


def versions() -> TimePlot:
    """Versions of the parameters that each gate holds."""
    note = "parameters kept for batches not back yet"
    return TimePlot("Versions held", "versions", functools.partial(_of_gates, "versions"), form="0.[0]", note=note)


def _of_gates(column: str, network: NetworkTelemetry) -> Iterable[Series]:
    gates = [gate.metrics for gate in network.gates.values()]
    lines = [Series(f"{column}{one.position}", one.name, gate_color(one.position)) for one in gates]
    return _with_front(lines, _columns(network, column))


def _with_front(lines: Iterable[Series], columns: Iterable[str]) -> list[Series]:
    """The lines; those of the first of these columns are in front."""
    front = set(islice(columns, MOST))
    return [line._replace(front=line.column in front) for line in lines]


def _columns(network: NetworkTelemetry, column: str) -> list[str]:
    """A column of the gates, the busiest first."""
    return [f"{column}{gate.metrics.position}" for gate in network.busiest]


def _in_turns(network: NetworkTelemetry, gates: str, sentinels: str) -> list[str]:
    """Columns of gates and of sentinels, the busiest gate and the first sentinel of each mode first."""
    first = sorted(_sentinels(network), key=lambda one: (one.rank, one.metrics.mode != "train"))
    pairs = zip_longest(_columns(network, gates), (f"{sentinels}{one.number}" for one in first))
    return [column for pair in pairs for column in pair if column is not None]


def _sentinels(network: NetworkTelemetry) -> list[SentinelRates]:
    return [one for one in network.sentinels.values() if one.metrics.mode != "predict"]


def _color(sentinel: SentinelRates) -> str:
    return sentinel_color(sentinel.metrics.mode, sentinel.rank)
