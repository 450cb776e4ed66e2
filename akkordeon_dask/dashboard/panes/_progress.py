"""How far the passes are that are not finished."""

from typing import Any

from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from akkordeon_dask.dashboard.panes._base import Pane
from akkordeon_dask.dashboard.panes._theme import sentinel_color, shortened
from akkordeon_dask.dashboard.panes._view import MOST
from akkordeon_dask.telemetry._network import NetworkTelemetry
from akkordeon_dask.telemetry._pass_rows import progress_words
from akkordeon_dask.telemetry._rates import SentinelRates

__all__ = ["Progress"]

_FIELDS = ("left", "right", "end", "row", "color", "text", "name", "worker")
_COLUMNS, _ROW_HEIGHT, _GAP = 2, 18, 0.01


class Progress(Pane):
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

    def show(self, record: NetworkTelemetry | None) -> None:
        """Say it as it is now."""
        there = record.at_work if record is not None and record.ended is None else []
        shown = there if self.every else there[:MOST]
        rows = max(1, -(-len(shown) // _COLUMNS))
        if rows != self.root.y_range.start:
            self.root.y_range.start, self.root.height = rows, rows * _ROW_HEIGHT
        lines = [_line(place, one) for place, one in enumerate(shown)]
        cells = zip(*lines, strict=True) if lines else [()] * len(_FIELDS)
        data = {field: list(column) for field, column in zip(_FIELDS, cells, strict=True)}
        if data != self.source.data:
            self.source.data = data


def _line(place: int, sentinel: SentinelRates) -> tuple[Any, ...]:
    """A cell for each of `_FIELDS`."""
    figures = sentinel.metrics
    words = progress_words(figures.epoch, figures.epochs, figures.state, figures.progress)
    share = (figures.progress and figures.progress.share) or 0.0
    left, width = place % _COLUMNS + _GAP / 2, 1 - _GAP
    text = " · ".join([shortened(figures.name, 24), *words])
    where = left, left + width, left + width * share, place // _COLUMNS + 0.5
    return *where, sentinel_color(figures.mode, sentinel.rank), text, figures.name, sentinel.worker
