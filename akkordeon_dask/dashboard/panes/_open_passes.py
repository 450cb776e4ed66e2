"""The progress of passes that are open."""

from typing import Any

from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from akkordeon_dask.dashboard.panes._base import Pane, columns
from akkordeon_dask.dashboard.panes._theme import sentinel_color, shortened
from akkordeon_dask.dashboard.panes._view import MOST
from akkordeon_dask.telemetry import NetworkTelemetry, SentinelRates, progress_words

__all__ = ["OpenPasses"]

_FIELDS = ("left", "right", "end", "row", "color", "text", "name", "worker")
_COLUMNS, _ROW_HEIGHT, _GAP = 2, 18, 0.01


class OpenPasses(Pane):
    """A line for each sentinel at work: its pass, how much of it is done, loss and scores so far, time left.

    Drawn, not a table or text: those would have the browser lay out the whole page with each update.
    """

    title = "Passes that are open"
    every = False
    """Of all sentinels, not only of the first ones."""

    def __init__(self) -> None:
        self.source = ColumnDataSource({name: [] for name in _FIELDS})
        self.root = figure(
            title=self.title, x_range=Range1d(0, _COLUMNS), y_range=Range1d(1, 0), tools="", toolbar_location=None,
            sizing_mode="stretch_width", height=_ROW_HEIGHT, min_border=0, margin=(0, 5, 2, 5), outline_line_color=None,
        )  # fmt: skip
        self.root.title.visible = self.root.axis.visible = self.root.grid.visible = False
        row = {"y": "row", "height": 0.84, "source": self.source, "line_color": None}
        whole = self.root.hbar(left="left", right="right", fill_color="#eeeeee", **row)
        self.root.hbar(left="left", right="end", fill_color="color", fill_alpha=0.35, **row)
        self.root.text(
            "left", "row", text="text", x_offset=5, text_baseline="middle", text_font_size="11px", source=self.source
        )
        self.root.add_tools(HoverTool(renderers=[whole], tooltips=[("", "@name on @worker"), ("", "@text")], limit=1))

    def show(self, network: NetworkTelemetry | None) -> None:
        """Draw the open passes."""
        open_now = network.at_work if network is not None and network.ended is None else []
        shown = open_now if self.every else open_now[:MOST]
        rows = max(1, -(-len(shown) // _COLUMNS))
        if rows != self.root.y_range.start:
            self.root.y_range.start, self.root.height = rows, rows * _ROW_HEIGHT
        lines = [_line(number, one) for number, one in enumerate(shown)]
        data = columns(_FIELDS, lines)
        if data != self.source.data:
            self.source.data = data


def _line(number: int, sentinel: SentinelRates) -> tuple[Any, ...]:
    """A cell for each of `_FIELDS`."""
    metrics = sentinel.metrics
    words = progress_words(metrics.epoch, metrics.epochs, metrics.activity, metrics.progress)
    share = (metrics.progress and metrics.progress.share) or 0.0
    left, width = number % _COLUMNS + _GAP / 2, 1 - _GAP
    text = " · ".join([shortened(metrics.name, 24), *words])
    bar = left, left + width, left + width * share, number // _COLUMNS + 0.5
    return *bar, sentinel_color(metrics.mode, sentinel.rank), text, metrics.name, sentinel.worker
