"""Colours, sizes and texts that all panes share."""

from collections.abc import Sequence
from typing import Any

from bokeh.models import (
    BoxZoomTool,
    GlobalInlineStyleSheet,
    HoverTool,
    Legend,
    LegendItem,
    PanTool,
    ResetTool,
    Title,
    WheelZoomTool,
)
from bokeh.palettes import OrRd9
from bokeh.plotting import figure

from akkordeon_dask.dashboard.panes._view import MOST

__all__ = [
    "BUSY",
    "EMPTY",
    "FRONT",
    "REST",
    "add_legend",
    "busy_color",
    "chart",
    "counted",
    "gate_color",
    "hover",
    "legend_above",
    "sentinel_color",
    "shortened",
]

BUSY: tuple[str, ...] = tuple(reversed(OrRd9))
"""The colours of shares of busy time, from 0 to 1."""
EMPTY = "#e8e8e8"
"""The colour of a missing actor or figure."""
FRONT, REST = "front", "rest"
"""Tags of the glyphs that are shown at first, and of those that a click shows."""

# Sentinels have blue, orange and green, gates all other colours.
_GATES = ("#7b4fa3", "#159a9c", "#c2578b", "#8c6d31", "#7a8f12", "#555555", "#b04a3a", "#3f3f8f")
_SENTINELS = {
    "train": ("#1f5fa8", "#5b9bd5", "#123a66", "#8cb8e0", "#4a5fd0", "#27a3c9"),
    "validate": ("#e8731a", "#f4a259", "#a84c08", "#f7c59f"),
    "test": ("#2e8b57", "#66bb8a"),
}
_WIDTH, _SAMPLE, _LETTER, _ROWS, _LONGEST = 225, 24, 5, 3, 40
"""Of a legend: pixels in the smallest window, of a curve's sample and of a letter; rows; letters of a name."""
_SMALL_TOOLS = ":host { --button-width: 20px; --button-height: 20px; background-color: rgba(255, 255, 255, 0.7); }"
# Each glyph has a tooltip of its own, and where curves meet they cover one another.
_ONE_TOOLTIP = ".bk-Tooltip ~ .bk-Tooltip { display: none; }"


def gate_color(position: int) -> str:
    """The colour of a gate, by its position in the network: the same in all panes."""
    return _GATES[position % len(_GATES)]


def sentinel_color(mode: str, rank: int) -> str:
    """The colour of a sentinel, by those of its mode before it: each mode has its own family."""
    family = _SENTINELS.get(mode, (EMPTY,))
    return family[rank % len(family)]


def busy_color(share: float) -> str:
    """The colour of a share of busy time."""
    return BUSY[min(len(BUSY) - 1, max(0, int(share * len(BUSY))))] if share == share else EMPTY


def shortened(text: str, length: int) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= length else text[: length - 1] + "…"


def counted(title: str, count: int) -> list[str]:
    """The titles of a plot: where some of its curves are shown, and where all are."""
    return [title if count <= MOST else f"{title} ({MOST} of {count} curves)", title]


def chart(title: str, x_label: str, y_label: str, *, note: str = "", **options: Any) -> figure:
    """An empty figure with a title, a unit on both axes, and tools that show under the pointer.

    Parameters
    ----------
    note
        a line below the title that explains it, of 45 letters at most.
    """
    plot = figure(
        title=title,
        x_axis_label=x_label,
        y_axis_label=y_label,
        tools="",
        toolbar_location="right",
        toolbar_inner=True,
        sizing_mode="stretch_both",
        min_width=200,
        min_height=120,
        output_backend="canvas",
        frame_align=False,
        stylesheets=[GlobalInlineStyleSheet(css=_ONE_TOOLTIP)],
        **options,
    )
    plot.title.text_font_size, plot.title.standoff = "11px", 3
    if note:
        style: dict[str, Any] = {"text_font_size": "10px", "text_font_style": "normal", "text_color": "#666666"}
        plot.add_layout(Title(text=note, standoff=3, **style), "above")
    for axis in plot.axis:
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "10px"
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_standoff = 2
        axis.minor_tick_line_color = None
    plot.yaxis.ticker.desired_num_ticks = 4
    plot.min_border_right = 8
    _add_tools(plot)
    return plot


def _add_tools(plot: Any) -> None:
    """Zoom, pan and reset, which take no room while the pointer is elsewhere."""
    zoom = BoxZoomTool()
    plot.add_tools(zoom, PanTool(), WheelZoomTool(), ResetTool())
    plot.toolbar.active_drag, plot.toolbar.active_scroll = zoom, None  # the wheel scrolls the page
    plot.toolbar.autohide, plot.toolbar.logo, plot.toolbar.stylesheets = True, None, [_SMALL_TOOLS]


def hover(plot: Any, tooltips: Sequence[tuple[str, str]], **options: Any) -> HoverTool:
    """Show these facts under the pointer; returns the tool."""
    tool = HoverTool(tooltips=list(tooltips), limit=1, visible=False, **options)
    plot.add_tools(tool)
    return tool


def legend_above(legend: Any, names: Sequence[tuple[str, Any, int | None]]) -> None:
    """Name the curves above the plot, in up to three rows; the last entry counts those left out.

    Parameters
    ----------
    names
        label, glyphs, and, where one glyph draws many things, the index of the one that is meant.
    """
    labels = [shortened(name, _LONGEST) for name, _, _ in names]
    columns = max(1, _WIDTH // (_SAMPLE + _LETTER * max(map(len, labels), default=1)))
    room = _ROWS * columns if len(names) > _ROWS * columns else len(names)
    pairs = list(zip(labels, names, strict=True))
    shown = pairs if room == len(names) else pairs[: room - 1]
    items = [LegendItem(label={"value": label}, renderers=glyphs, index=index) for label, (_, glyphs, index) in shown]
    if len(shown) < len(pairs):
        items.append(LegendItem(label={"value": f"and {len(pairs) - len(shown)} more"}))
    legend.ncols = min(columns, max(1, len(items)))
    legend.items = items
    legend.visible = bool(items)


def add_legend(plot: Any) -> Legend:
    """An empty legend above the plot; a click on a name hides its curve."""
    legend = Legend(items=[], orientation="horizontal", location="left", click_policy="hide", border_line_alpha=0.0)
    legend.label_text_font_size = "10px"
    legend.background_fill_alpha = 0.0
    legend.padding, legend.margin, legend.spacing = 0, 0, 5
    legend.glyph_width, legend.glyph_height, legend.label_height, legend.label_standoff = 14, 12, 12, 3
    plot.above.insert(0, legend)  # between the plot and its note
    return legend
