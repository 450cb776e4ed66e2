"""Numbers over time."""

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from bokeh.models import BasicTicker, ColumnDataSource, DatetimeTickFormatter, NumeralTickFormatter

from akkordeon_dask.dashboard._look import add_legend, chart, gate_color, hover, legend_above, sentinel_color
from akkordeon_dask.dashboard._pane import Pane
from akkordeon_dask.dashboard._record import NetworkRecord
from akkordeon_dask.tree import Array

__all__ = ["Line", "Lines", "busy", "flying", "throughput", "traffic", "versions"]


_SCALES = "milliseconds", "seconds", "minsec", "minutes", "hourmin", "hours", "days"


class Line(NamedTuple):
    """A curve."""

    column: str
    """Its column in the history."""
    label: str
    color: str
    dash: str = "solid"
    named: bool = True
    """It is in the legend."""


class Lines(Pane):
    """A curve for each of some columns of the history, over the last minutes.

    Parameters
    ----------
    title, unit
        what it says above and beside.
    lines
        the curves that a network has now.
    form
        how a value is written, in numeral.js' notation.
    window
        seconds that are shown.
    """

    def __init__(
        self,
        title: str,
        unit: str,
        lines: Callable[[NetworkRecord], Iterable[Line]],
        *,
        form: str = "0.[0]a",
        top: float | None = None,
        window: int = 300,
    ) -> None:
        self.title, self.window = title, window
        self._lines = lines
        options = {} if top is None else {"y_range": (0, top)}
        self.root = chart(title, "time of day (h:min:s)", unit, x_axis_type="datetime", **options)
        self.root.xaxis.formatter = DatetimeTickFormatter(**dict.fromkeys(_SCALES, "%H:%M:%S"))
        self.root.xaxis.ticker.desired_num_ticks = 4
        self.root.yaxis.formatter = NumeralTickFormatter(format=form)
        if top is None:
            self.root.y_range.start = 0
        self.root.x_range.range_padding = 0.01
        self._legend = add_legend(self.root)
        hover(
            self.root,
            [("", "$name"), ("time", "@time{%T}"), (unit, f"$snap_y{{{form}}}")],
            formatters={"@time": "datetime"},
            mode="mouse",
        )
        self.source = ColumnDataSource({"time": []})
        self._shown: tuple[Any, ...] = ()
        self._row = 0

    def show(self, record: NetworkRecord | None) -> None:
        """Add what is new; draw anew where there are other curves."""
        lines = tuple(self._lines(record)) if record is not None else ()
        if (record, lines, self.window) != self._shown:
            self._shown = record, lines, self.window
            self._draw(record, lines)
        elif record is not None and record.history.rows > self._row:
            self.source.stream(self._data(record, self._row, lines), rollover=self.window)
        self._row = record.history.rows if record is not None else 0

    def _draw(self, record: NetworkRecord | None, lines: tuple[Line, ...]) -> None:
        if record is None:
            data: dict[str, Any] = {"time": np.empty(0)}
        else:
            data = self._data(record, record.history.rows - self.window, lines)
        with self._drawing():
            self._begin(data, lines)

    def _begin(self, data: dict[str, Any], lines: tuple[Line, ...]) -> None:
        """Make the glyphs."""
        # New ones on a new source: the old ones would ask it for columns that it has no more.
        self.source = ColumnDataSource(data)
        self._legend.items = []
        self.root.renderers = [self._curve(line) for line in lines]
        pairs = zip(lines, self.root.renderers, strict=True)
        legend_above(self._legend, [(line.label, [curve], None) for line, curve in pairs if line.named])

    def _curve(self, line: Line) -> Any:
        style = {"line_color": line.color, "line_dash": line.dash, "line_width": 1.6}
        return self.root.line("time", line.column, source=self.source, name=line.label, **style)

    def _data(self, record: NetworkRecord, row: int, lines: Iterable[Line]) -> dict[str, Array]:
        times, columns = record.history.since(row)
        nothing = np.full(len(times), np.nan, np.float32)
        data = {line.column: columns.get(line.column, nothing) for line in lines}
        offset = time.localtime().tm_gmtoff
        return {"time": (times + offset) * 1000, **data}


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
