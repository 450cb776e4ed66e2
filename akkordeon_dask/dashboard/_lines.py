"""Numbers of the history over time: what they are, and in which colours."""

from collections.abc import Iterable
from typing import Any

from bokeh.models import BasicTicker

from akkordeon_dask.dashboard._feed import Line, Lines
from akkordeon_dask.dashboard._look import gate_color, sentinel_color
from akkordeon_dask.dashboard._record import NetworkRecord

__all__ = ["busy", "flying", "throughput", "traffic", "versions"]


def throughput() -> Lines:
    """Samples a second of each gate and sentinel."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        for gate in record.gates.values():
            place, name = gate.figures.place, gate.figures.name
            yield Line(f"forward{place}", name, gate_color(place))
            yield Line(f"backward{place}", f"{name}, backward", gate_color(place), "dashed", named=False)
        for sentinel in _sentinels(record):
            yield Line(f"home{sentinel.number}", sentinel.figures.name, _color(sentinel), "dotted")

    return Lines("Throughput: forward —, backward - -, sentinels ···", "samples/s", lines)


def busy() -> Lines:
    """The share of the time that each gate works."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        for gate in record.gates.values():
            yield Line(f"busy{gate.figures.place}", gate.figures.name, gate_color(gate.figures.place))

    return Lines("Busy: the highest is the bottleneck", "share of time", lines, form="0%", top=1.05)


def traffic() -> Lines:
    """Bytes a second from worker to worker."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        for (sender, receiver), number in record.links.items():
            yield Line(f"link{number}", f"{sender} → {receiver}", gate_color(number))

    pane = Lines("Traffic between workers", "bytes/s", lines, form="0.[0] b")
    pane.root.yaxis.ticker = BasicTicker(base=1024, mantissas=[1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
    pane.root.yaxis.ticker.num_minor_ticks = 0
    return pane


def flying() -> Lines:
    """Batches under way of each sentinel, and those that wait before each gate."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        for sentinel in _sentinels(record):
            yield Line(f"flying{sentinel.number}", sentinel.figures.name, _color(sentinel))
        for gate in record.gates.values():
            place = gate.figures.place
            yield Line(f"mailbox{place}", f"waiting at {gate.figures.name}", gate_color(place), "dashed", named=False)

    return Lines("In flight —, waiting at gates - -", "batches", lines, form="0.[0]")


def versions() -> Lines:
    """Versions of the parameters that each gate holds."""

    def lines(record: NetworkRecord) -> Iterable[Line]:
        for gate in record.gates.values():
            yield Line(f"versions{gate.figures.place}", gate.figures.name, gate_color(gate.figures.place))

    return Lines("Versions held", "versions", lines, form="0.[0]")


def _sentinels(record: NetworkRecord) -> list[Any]:
    return [one for one in record.sentinels.values() if one.figures.mode != "predict"]


def _color(sentinel: Any) -> str:
    return sentinel_color(sentinel.figures.mode, sentinel.rank)
