"""What all panes have in common: colours, sizes, words."""

from collections.abc import Sequence
from typing import Any

from bokeh.models import HoverTool, Legend, LegendItem
from bokeh.palettes import OrRd9
from bokeh.plotting import figure

__all__ = [
    "BUSY",
    "EMPTY",
    "add_legend",
    "busy_color",
    "chart",
    "gate_color",
    "hover",
    "legend_above",
    "sentinel_color",
    "shortened",
]

BUSY: tuple[str, ...] = tuple(reversed(OrRd9))
"""The colours of shares of busy time, from 0 to 1."""
EMPTY = "#e8e8e8"
"""The colour of what is not there."""

# Sentinels have blue, orange and green, gates all other colours.
_GATES = ("#7b4fa3", "#159a9c", "#c2578b", "#8c6d31", "#7a8f12", "#555555", "#b04a3a", "#3f3f8f")
_SENTINELS = {
    "train": ("#1f5fa8", "#5b9bd5", "#123a66", "#8cb8e0"),
    "validate": ("#e8731a", "#f4a259", "#a84c08", "#f7c59f"),
    "test": ("#2e8b57", "#66bb8a"),
}
_LETTERS, _SAMPLE = 56, 5
"""Letters that a legend has room for, and those that a curve's sample takes."""


def gate_color(place: int) -> str:
    """The colour of a gate, by the number of those in front of it: the same in all panes."""
    return _GATES[place % len(_GATES)]


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


def chart(title: str, x_label: str, y_label: str, **options: Any) -> Any:
    """An empty figure with a title and a unit on both axes."""
    plot = figure(
        title=title,
        x_axis_label=x_label,
        y_axis_label=y_label,
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_both",
        min_width=200,
        min_height=120,
        output_backend="canvas",
        **options,
    )
    plot.title.text_font_size = "11px"
    for axis in plot.axis:
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "10px"
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_standoff = 2
        axis.minor_tick_line_color = None
    plot.yaxis.ticker.desired_num_ticks = 4
    plot.min_border_right = 8
    return plot


def hover(plot: Any, tooltips: Sequence[tuple[str, str]], **options: Any) -> None:
    """Show these facts under the pointer."""
    plot.add_tools(HoverTool(tooltips=list(tooltips), **options))


def legend_above(legend: Any, names: Sequence[tuple[str, Any, int | None]]) -> None:
    """Name the curves above the plot, as many as there is room for: under the pointer all have names.

    Parameters
    ----------
    names
        what it says, the glyphs, and, where one glyph draws many things, the number of the one that is meant.
    """
    length = min(24, max(6, _LETTERS // max(1, len(names)) - _SAMPLE))
    items, letters = [], 0
    for name, glyphs, index in names:
        label = shortened(name, length)
        letters += len(label) + _SAMPLE
        if letters > _LETTERS:
            break
        items.append(LegendItem(label={"value": label}, renderers=glyphs, index=index))
    legend.items = items
    legend.visible = bool(items)


def add_legend(plot: Any) -> Any:
    """An empty legend above the plot; a click on a name hides its curve."""
    legend = Legend(items=[], orientation="horizontal", location="left", click_policy="hide", border_line_alpha=0.0)
    legend.label_text_font_size = "10px"
    legend.background_fill_alpha = 0.0
    legend.padding, legend.margin, legend.spacing = 0, 0, 5
    legend.glyph_width, legend.glyph_height, legend.label_height, legend.label_standoff = 14, 12, 12, 3
    plot.add_layout(legend, "above")
    return legend
