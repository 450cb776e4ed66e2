"""Numbers of the history over time: what they are, in which colours, and which of very many are seen at a glance."""

import functools
from collections.abc import Iterable
from itertools import islice, zip_longest

from bokeh.models import BasicTicker

from akkordeon_dask.dashboard._feed import Line, Lines
from akkordeon_dask.dashboard._look import gate_color, sentinel_color
from akkordeon_dask.dashboard._meter import SentinelMeter
from akkordeon_dask.dashboard._record import NetworkRecord
from akkordeon_dask.dashboard._view import MOST

__all__ = ["busy", "flying", "throughput", "traffic", "versions"]


def throughput() -> Lines:
    """Samples a second of each gate and sentinel."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        lines = []
        for gate in record.gates.values():
            place, name = gate.figures.place, gate.figures.name
            lines.append(Line(f"forward{place}", name, gate_color(place)))
            lines.append(Line(f"backward{place}", f"{name}, backward", gate_color(place), "dashed", named=False))
        lines += [Line(f"home{one.number}", one.figures.name, _color(one), "dotted") for one in _sentinels(record)]
        return _at_a_glance(lines, _in_turns(record, "forward", "home") + _columns(record, "backward"))

    return Lines("Throughput", "samples/s", lines, note="gates: forward —, backward - -; sentinels ···")


def busy() -> Lines:
    """The share of the time that each gate works."""
    note = "the highest is the bottleneck"
    return Lines("Busy", "share of time", functools.partial(_of_gates, "busy"), form="0%", top=1.05, note=note)


def traffic() -> Lines:
    """Bytes a second from worker to worker."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        for (sender, receiver), number in record.links.items():
            yield Line(f"link{number}", f"{sender} → {receiver}", gate_color(number), front=number < MOST)

    pane = Lines("Traffic between workers", "bytes/s", lines, form="0.[0] b", note="batches and gradients sent over")
    pane.root.yaxis.ticker = BasicTicker(base=1024, mantissas=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
    pane.root.yaxis.ticker.num_minor_ticks = 0
    return pane


def flying() -> Lines:
    """Batches under way of each sentinel, and those that wait before each gate."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        lines = [Line(f"flying{one.number}", one.figures.name, _color(one)) for one in _sentinels(record)]
        for gate in record.gates.values():
            place, label = gate.figures.place, f"waiting at {gate.figures.name}"
            lines.append(Line(f"mailbox{place}", label, gate_color(place), "dashed", named=False))
        return _at_a_glance(lines, _in_turns(record, "mailbox", "flying"))

    return Lines("In flight", "batches", lines, form="0.[0]", note="sent and not back yet —, waiting at a gate - -")


def versions() -> Lines:
    """Versions of the parameters that each gate holds."""
    note = "parameters kept for batches not back yet"
    return Lines("Versions held", "versions", functools.partial(_of_gates, "versions"), form="0.[0]", note=note)


def _of_gates(column: str, record: NetworkRecord) -> Iterable[Line]:
    gates = [gate.figures for gate in record.gates.values()]
    lines = [Line(f"{column}{one.place}", one.name, gate_color(one.place)) for one in gates]
    return _at_a_glance(lines, _columns(record, column))


def _at_a_glance(lines: Iterable[Line], columns: Iterable[str]) -> list[Line]:
    """The lines; the first ones of these columns are in front."""
    front = set(islice(columns, MOST))
    return [line._replace(front=line.column in front) for line in lines]


def _columns(record: NetworkRecord, column: str) -> list[str]:
    """Those of the gates, the busiest first."""
    return [f"{column}{gate.figures.place}" for gate in record.busiest]


def _in_turns(record: NetworkRecord, gates: str, sentinels: str) -> list[str]:
    """Columns of gates and of sentinels, the busiest gate and the first sentinel of each mode first."""
    first = sorted(_sentinels(record), key=lambda one: (one.rank, one.figures.mode != "train"))
    pairs = zip_longest(_columns(record, gates), (f"{sentinels}{one.number}" for one in first))
    return [column for pair in pairs for column in pair if column is not None]


def _sentinels(record: NetworkRecord) -> list[SentinelMeter]:
    return [one for one in record.sentinels.values() if one.figures.mode != "predict"]


def _color(sentinel: SentinelMeter) -> str:
    return sentinel_color(sentinel.figures.mode, sentinel.rank)
