"""Panes of the confusion matrix, and of images of wrong predictions."""

from typing import Any

from bokeh.models import BasicTicker, ColumnDataSource, Label, Range1d

from akkordeon_dask.dashboard.panes._base import Pane, columns
from akkordeon_dask.dashboard.panes._theme import busy_color, chart, hover, shortened
from akkordeon_dask.messages import Confusion, WrongPrediction
from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["ConfusionMatrix", "WrongImages", "shown_confusion"]

_WRITTEN = 12
"""Classes of a matrix whose cells have room for a number."""
_CELLS = ("predicted", "label", "count", "share", "color", "ink", "text")
_IMAGES = ("x", "y", "url", "text", "label", "predicted")
_CLASSES = [("label", "@label"), ("predicted", "@predicted")]
_COLUMNS, _ROWS, _PIXELS = 6, 2, 52
"""Of the grid of images, and the side of an image."""
_EMPTY, _PALE, _DARK = "#ffffff", "#ffffff", "#222222"


def shown_confusion(network: NetworkTelemetry | None) -> tuple[str, Confusion] | None:
    """The one that panes show: of the first sentinel that is at work and has one, else the newest."""
    if network is None or not network.confusions:
        return None
    at_work = [one.metrics.name for one in network.at_work]
    name = next((name for name in at_work if name in network.confusions), list(network.confusions)[-1])
    return name, network.confusions[name]


class _OfLastPass(Pane):
    """A figure of the last pass of one sentinel, or a line that says why there is nothing to see."""

    none: str
    """The line that says so."""

    def __init__(self, plot: Any, fields: tuple[str, ...]) -> None:
        self.root, self._fields = plot, fields
        self.source = ColumnDataSource({field: [] for field in fields})
        self.note = Label(x=5, y=5, x_units="screen", y_units="screen", text="", text_font_size="11px")
        self.note.text_color = "#666666"
        self.root.add_layout(self.note)
        self._shown: tuple[str, Confusion] | None = None

    def show(self, network: NetworkTelemetry | None) -> None:
        """Show the last pass of a sentinel that validates or tests classes."""
        found = shown_confusion(network)
        if found is None or found != self._shown:
            rows = [] if found is None else self._rows(found[1])
            self.source.data = columns(self._fields, rows)
            self.root.title.text = self.title if found is None else f"{self.title}: {_of(*found)}"
            self.note.text = "" if rows or network is None else self.none
            self._shown = found

    def _rows(self, confusion: Confusion) -> list[tuple[Any, ...]]:
        """A cell for each of the fields."""
        raise NotImplementedError


def _of(sentinel: str, confusion: Confusion) -> str:
    return f"{shortened(sentinel, 24)}, pass {confusion.epoch}"


class ConfusionMatrix(_OfLastPass):
    """A cell for each label and each prediction; its colour is its share of the label's samples."""

    title = "Confusion"
    none = "no validation or test of 2 to 64 classes has ended yet"

    def __init__(self) -> None:
        ranges = {"x_range": Range1d(-0.5, 9.5), "y_range": Range1d(9.5, -0.5)}  # the first label on top
        super().__init__(chart(self.title, "predicted class", "label", **ranges), _CELLS)
        ticker = BasicTicker(mantissas=[1, 2, 5], min_interval=1, num_minor_ticks=0)
        self.root.xaxis.ticker = self.root.yaxis.ticker = ticker
        self.root.grid.visible = False
        cells = self.root.rect(
            "predicted", "label", width=1, height=1, fill_color="color", line_color=_EMPTY, line_width=0.5,
            source=self.source,
        )  # fmt: skip
        self.root.text(
            "predicted", "label", text="text", text_color="ink", text_align="center", text_baseline="middle",
            text_font_size="10px", source=self.source,
        )  # fmt: skip
        figures = [("samples", "@count{0,0}"), ("share", "@share{0.0%}")]
        hover(self.root, [*_CLASSES, *figures], renderers=[cells])

    def _rows(self, confusion: Confusion) -> list[tuple[Any, ...]]:
        edge = confusion.classes - 0.5
        self.root.x_range.end = self.root.x_range.reset_end = edge
        self.root.y_range.start = self.root.y_range.reset_start = edge
        return [
            (predicted, label, count, *_cell(count, sum(counts), confusion.classes))
            for label, counts in enumerate(confusion.matrix.tolist())
            for predicted, count in enumerate(counts)
        ]


def _cell(count: int, total: int, classes: int) -> tuple[float, str, str, str]:
    """Share, colour, colour of the text, and text."""
    share = count / total if total else 0.0
    text = str(count) if count and classes <= _WRITTEN else ""
    return share, busy_color(share) if count else _EMPTY, _PALE if share > 0.6 else _DARK, text


class WrongImages(_OfLastPass):
    """The wrong predictions that the network was surest of, each with its label and the class that it was taken for."""

    title = "Surest mistakes"
    none = "none: no validation of images has ended yet, or it made no mistake"

    def __init__(self) -> None:
        plot = chart(self.title, "", "", x_range=Range1d(-0.5, _COLUMNS - 0.5), y_range=Range1d(_ROWS - 0.4, -0.5))
        super().__init__(plot, _IMAGES)
        self.root.axis.visible = self.root.grid.visible = False
        boxes = self.root.rect("x", "y", width=1, height=1, fill_alpha=0.0, line_color=None, source=self.source)
        self.root.image_url(
            "url", x="x", y="y", w=_PIXELS, h=_PIXELS, w_units="screen", h_units="screen", anchor="center",
            source=self.source,
        )  # fmt: skip
        self.root.text(
            "x", "y", text="text", text_align="center", text_baseline="top", y_offset=_PIXELS // 2 + 1,
            text_font_size="10px", source=self.source,
        )  # fmt: skip
        hover(self.root, _CLASSES, renderers=[boxes])

    def _rows(self, confusion: Confusion) -> list[tuple[Any, ...]]:
        return [
            (number % _COLUMNS, number // _COLUMNS, *_picture(one), one.label, one.predicted)
            for number, one in enumerate(confusion.wrong)
        ]


def _picture(one: WrongPrediction) -> tuple[str, str]:
    """Address and text."""
    return f"data:image/png;base64,{one.png}", f"{one.label} → {one.predicted}"
