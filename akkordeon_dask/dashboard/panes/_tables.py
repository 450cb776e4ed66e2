"""Passes and incidents, newest first."""

import time
from typing import Any

from bokeh.models import (
    Column,
    ColumnDataSource,
    CustomJS,
    DataTable,
    Div,
    NumberFormatter,
    StringFormatter,
    TableColumn,
)

from akkordeon_dask.dashboard.panes._base import Pane, columns
from akkordeon_dask.telemetry import NetworkTelemetry, scores_text

__all__ = ["Incidents", "Passes"]

_ROWS = 60
_ROW_HEIGHT = 20
_STYLE = f"""
.bk-data-table {{ z-index: 0; font-size: 11px; }}
.slick-viewport {{ max-height: round(down, 100%, {_ROW_HEIGHT}px); }}
"""
"""The table ends with a whole row."""

_TEXT, _WHOLE, _THREE, _SIX = None, "0,0", "0.000", "0.000000"


class _Table(Pane):
    """Rows of text and numbers; cells are shown as text, whatever is in them."""

    columns: tuple[tuple[str, str, str | None, int], ...]
    """Field, title, form of its numbers (None: text) and width of each."""
    min_width = 200
    nothing = ""
    """The text instead of a table without rows; empty: none."""

    def __init__(self) -> None:
        self.source = ColumnDataSource({field: [] for field, *_ in self.columns})
        self.table = DataTable(
            source=self.source,
            columns=[
                TableColumn(field=field, title=title, formatter=_formatter(form), width=width, sortable=False)
                for field, title, form, width in self.columns
            ],
            index_position=None,
            autosize_mode="force_fit",  # bokeh 3.9 fails on the others
            reorderable=False,
            row_height=_ROW_HEIGHT,
            sizing_mode="stretch_both",
            min_height=100,
            stylesheets=[_STYLE],
        )
        # A table of as many rows as before would not draw them again.
        again = CustomJS(args={"view": self.table.view}, code="view.change.emit()")
        self.source.js_on_change("data", again)
        head = Div(text=f"<b>{self.title}</b>", styles={"font-size": "11px"}, margin=(2, 5, 2, 5))
        self.root = Column(children=[head, self.table], sizing_mode="stretch_both", min_width=self.min_width)
        if self.nothing:
            self.table.visible = False
            self.none = Div(text=self.nothing, styles={"font-size": "11px"}, margin=(2, 5, 2, 5))
            self.root.children.append(self.none)
        self._shown: tuple[NetworkTelemetry | None, int] = (None, 0)

    def _rows(self, network: NetworkTelemetry) -> tuple[int, list[tuple[Any, ...]]]:
        """The number of all that there ever were, and the newest, newest first."""
        raise NotImplementedError

    def show(self, network: NetworkTelemetry | None) -> None:
        """Put the newest on top."""
        seen, rows = self._rows(network) if network is not None else (0, [])
        if (network, seen) == self._shown:
            return
        self._shown = network, seen
        self.source.data = columns([field for field, *_ in self.columns], rows)
        if self.nothing:
            self.table.visible, self.none.visible = bool(rows), not rows


def _formatter(form: str | None) -> Any:
    if form is None:
        return StringFormatter(nan_format="-")
    return NumberFormatter(format=form, nan_format="-", text_align="right")


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


class Passes(_Table):
    """Finished passes."""

    title = "Passes"
    min_width = 690
    columns = (
        ("time", "time", _TEXT, 60),
        ("sentinel", "sentinel", _TEXT, 80),
        ("mode", "mode", _TEXT, 60),
        ("epoch", "pass", _WHOLE, 40),
        ("loss", "loss", _SIX, 66),
        ("scores", "scores", _TEXT, 125),
        ("rate", "samples/s", _WHOLE, 70),
        ("seconds", "seconds", _THREE, 60),
        ("samples", "samples", _WHOLE, 60),
        ("lost", "lost", _WHOLE, 40),
        ("resent", "resent", _WHOLE, 50),
    )

    def _rows(self, network: NetworkTelemetry) -> tuple[int, list[tuple[Any, ...]]]:
        rows = []
        for one in network.passes[: -_ROWS - 1 : -1]:
            figures = one.epoch, one.loss, scores_text(one), one.samples_per_s, one.seconds
            rows.append((_clock(one.ended), one.sentinel, one.mode, *figures, one.samples, one.lost, one.resent))
        return network.passes.seen, rows


class Incidents(_Table):
    """Incidents: lost batches, restarted passes, errors."""

    title = "Incidents"
    nothing = "nothing went wrong"
    columns = (
        ("time", "time", _TEXT, 60),
        ("event", "event", _TEXT, 60),
        ("who", "actor", _TEXT, 80),
        ("text", "details", _TEXT, 400),
    )

    def _rows(self, network: NetworkTelemetry) -> tuple[int, list[tuple[Any, ...]]]:
        newest = list(network.incidents)[: -_ROWS - 1 : -1]
        return network.incidents_seen, [(_clock(one.time), one.event, one.who, one.text) for one in newest]
