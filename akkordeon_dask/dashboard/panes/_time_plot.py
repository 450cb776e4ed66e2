"""Numbers over time, as they come."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from bokeh.models import AdaptiveTicker, ColumnDataSource, DatetimeTickFormatter, GlyphRenderer, NumeralTickFormatter
from bokeh.models import Line as Glyph

from akkordeon_dask.dashboard.panes._base import Pane
from akkordeon_dask.dashboard.panes._theme import FRONT, REST, add_legend, chart, counted, hover, legend_above
from akkordeon_dask.telemetry import NetworkTelemetry
from akkordeon_dask.tree import Array

__all__ = ["Series", "TimePlot", "TimeSeriesStreamer"]

_SCALES = "milliseconds", "seconds", "minsec", "minutes", "hourmin", "hours", "days"
_MINUTE = 60_000


class Series(NamedTuple):
    """A curve."""

    column: str
    """Its column in the history."""
    label: str
    color: str
    dash: str = "solid"
    named: bool = True
    """It is in the legend."""
    front: bool = True
    """It is shown at first."""


class TimePlot(Pane):
    """A curve for each of some columns of the history, over the last minutes.

    Parameters
    ----------
    title, unit
        the texts above the plot and beside its y axis.
    lines
        the curves that a network has now.
    form
        how a value is written, in numeral.js' notation.
    note
        a line that explains it.
    """

    every = False
    """All curves are shown, not only those in front."""

    def __init__(
        self,
        title: str,
        unit: str,
        lines: Callable[[NetworkTelemetry], Iterable[Series]],
        *,
        form: str = "0.[0]a",
        top: float | None = None,
        note: str = "",
    ) -> None:
        self.title, self.lines = title, lines
        options = {} if top is None else {"y_range": (0, top)}
        self.root = chart(title, "time of day (h:min:s)", unit, note=note, x_axis_type="datetime", **options)
        self.root.xaxis.formatter = DatetimeTickFormatter(**dict.fromkeys(_SCALES, "%H:%M:%S"))
        self.root.xaxis.ticker = self.root.xgrid.ticker = _ticker()
        self.root.yaxis.formatter = NumeralTickFormatter(format=form)
        if top is None:
            self.root.y_range.start, self.root.y_range.only_visible = 0, True
        self.root.x_range.range_padding = 0.01
        self.root.min_border_right = 20  # the last time is whole
        self._legend = add_legend(self.root)
        hover(
            self.root,
            [("", "$name"), ("time", "@time{%T}"), (unit, f"$snap_y{{{form}}}")],
            formatters={"@time": "datetime"},
            mode="mouse",
        )
        self._shown_every: bool | None = None
        self.root.tags = counted(title, 0)
        self.streamer = TimeSeriesStreamer([self])
        """The streamer that fills it."""

    def show(self, network: NetworkTelemetry | None) -> None:
        """Add the new rows, in all panes of its streamer."""
        self.streamer.show(network)

    def draw(self, source: ColumnDataSource, lines: Sequence[Series]) -> None:
        """Make the glyphs, of columns of the source."""
        self._legend.items = []
        self.root.renderers = [self._curve(source, line) for line in lines]
        pairs = zip(lines, self.root.renderers, strict=True)
        legend_above(self._legend, [(line.label, [curve], None) for line, curve in pairs if line.named and line.front])
        self.root.tags = counted(self.title, len(lines))
        self._shown_every = None

    def _curve(self, source: ColumnDataSource, line: Series) -> GlyphRenderer:
        style = {"line_color": line.color, "line_dash": line.dash, "line_width": 1.6}
        glyph = Glyph(x="time", y=line.column, **style)
        tags, visible = [FRONT if line.front else REST], line.front or self.every
        return GlyphRenderer(data_source=source, glyph=glyph, name=line.label, tags=tags, visible=visible)

    def apply_every(self) -> None:
        """Show all curves, or those in front, where that has changed."""
        if self._shown_every != self.every:
            self._shown_every = self.every
            self.root.title.text = self.root.tags[self.every]
            for curve in self.root.renderers:
                if curve.tags == [REST]:
                    curve.visible = self.every


class TimeSeriesStreamer:
    """Streams the history to some panes, by one source: each moment is one message, for a message is costly in bokeh.

    Parameters
    ----------
    panes
        of one document; they have no other streamer from now on.
    window
        seconds that are shown.
    """

    def __init__(self, panes: Sequence[TimePlot], window: int = 300) -> None:
        self.window = window
        self.source = ColumnDataSource({"time": []})
        self._panes = panes
        self._shown: tuple[Any, ...] = ()
        self._row = 0
        for pane in panes:
            pane.streamer = self

    def show(self, network: NetworkTelemetry | None) -> None:
        """Add the new rows; draw all where there are other curves."""
        lines = [tuple(pane.lines(network)) if network is not None else () for pane in self._panes]
        if (network, lines, self.window) != self._shown:
            self._shown = network, lines, self.window
            self._draw(network, lines)
        elif network is not None and network.history.rows > self._row:
            # Lists: an array is two more messages for each column.
            new = {name: column.tolist() for name, column in self._data(network, self._row, lines).items()}
            self.source.stream(new, rollover=self.window)
        self._row = network.history.rows if network is not None else 0
        for pane in self._panes:
            pane.apply_every()

    def _draw(self, network: NetworkTelemetry | None, lines: Sequence[Sequence[Series]]) -> None:
        data: dict[str, Any] = {"time": np.empty(0)}
        if network is not None:
            data = self._data(network, network.history.rows - self.window, lines)
        # New glyphs on a new source: the old ones would ask it for columns that it no longer has. It gets its numbers
        # afterwards, for bokeh sends a new source with each glyph.
        self.source = ColumnDataSource({column: [] for column in data})
        with self._panes[0].drawing():
            for pane, own in zip(self._panes, lines, strict=True):
                pane.draw(self.source, own)
        self.source.data = data

    def _data(self, network: NetworkTelemetry, row: int, lines: Sequence[Sequence[Series]]) -> dict[str, Array]:
        times, columns = network.history.since(row)
        nothing = np.full(len(times), np.nan, np.float32)
        data = {line.column: columns.get(line.column, nothing) for own in lines for line in own}
        offset = time.localtime().tm_gmtoff
        return {"time": (times + offset) * 1000, **data}


def _ticker() -> AdaptiveTicker:
    """Whole seconds and minutes; bokeh's own has tickers for years, too, which all cost."""
    whole = [1, 2, 5, 10, 15, 20, 30]
    options: dict[str, Any] = {"min_interval": 1000, "max_interval": 30 * _MINUTE, "desired_num_ticks": 4}
    return AdaptiveTicker(mantissas=whole, base=60, num_minor_ticks=0, **options)
