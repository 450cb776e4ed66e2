"""The network as a graph."""

from typing import Any

from bokeh.models import ColorBar, ColumnDataSource, HoverTool, LinearColorMapper, NumeralTickFormatter, Range1d
from bokeh.plotting import figure

from akkordeon_dask.dashboard.panes._base import Pane, columns
from akkordeon_dask.dashboard.panes._graph_layout import ARROW_FIELDS, BOX_FIELDS, arrows, boxes
from akkordeon_dask.dashboard.panes._theme import BUSY
from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["Graph"]

_LINES = {"first": -24, "second": -8, "third": 8, "fourth": 24, "middle": 0}
"""The texts of a box, and how many pixels below its middle each stands."""


class Graph(Pane):
    """Sentinels and gates as boxes, with the workers they are on; arrows as wide as samples/s, colour as busy."""

    title = "Network: colour = busy share, width of arrows = samples/s"

    def __init__(self) -> None:
        self.boxes = ColumnDataSource({name: [] for name in BOX_FIELDS})
        self.arrows = ColumnDataSource({name: [] for name in ARROW_FIELDS})
        self.root = figure(
            title=self.title,
            x_range=Range1d(-0.5, 1.5),
            y_range=Range1d(-0.85, 0.6),
            tools="",
            toolbar_location=None,
            sizing_mode="stretch_both",
            min_height=150,
        )
        self.root.title.text_font_size = "11px"
        self.root.axis.visible = self.root.grid.visible = False
        self.root.outline_line_color = None
        paths = self.root.multi_line("xs", "ys", line_width="width", line_color="color", source=self.arrows)
        blocks = self._blocks()
        self._heads()  # on top: half of each reaches into its box
        self._hovers(paths, blocks)
        mapper = LinearColorMapper(palette=BUSY, low=0, high=1)
        bar = ColorBar(color_mapper=mapper, width=10, padding=4, formatter=NumeralTickFormatter(format="0%"))
        bar.major_label_text_font_size = "10px"
        bar.background_fill_alpha = 0.0
        self.root.add_layout(bar, "right")

    def _heads(self) -> None:
        self.root.scatter(
            "head_x", "head_y", marker="triangle", size="head_size", angle="head_angle", color="color",
            line_color="#ffffff", line_width=0.5, source=self.arrows,
        )  # fmt: skip

    def _blocks(self) -> Any:
        blocks = self.root.rect(
            "x", "y", "width", "height", fill_color="color", line_color="edge", line_width="edge_width",
            border_radius=6, source=self.boxes,
        )  # fmt: skip
        # The colour that a gate's curves have in the other panes.
        self.root.rect("x", "stripe", "width", 0.09, color="own", line_color=None, source=self.boxes)
        for line, offset in _LINES.items():
            self.root.text(
                "x", "y", text=line, text_color="ink", text_align="center", text_baseline="middle",
                y_offset=offset, text_font_size="13px" if line == "first" else "11px",
                text_font_style="bold" if line == "first" else "normal", source=self.boxes,
            )  # fmt: skip
        return blocks

    def _hovers(self, paths: Any, blocks: Any) -> None:
        facts = [("", "@what @name"), ("worker", "@worker"), ("now", "@facts")]
        self.root.add_tools(HoverTool(renderers=[blocks], tooltips=facts, limit=1))
        rates = [("", "@label"), ("", "@rate")]
        self.root.add_tools(HoverTool(renderers=[paths], tooltips=rates, limit=1, line_policy="interp"))

    def show(self, network: NetworkTelemetry | None) -> None:
        """Draw the network at this moment."""
        drawn = boxes(network, network.time) if network is not None else []
        paths = arrows(network, network.time) if network is not None else []
        self.root.x_range.end = max(1, len(network.gates) if network is not None else 1) + 0.5
        self.boxes.data = columns(BOX_FIELDS, drawn)
        self.arrows.data = columns(ARROW_FIELDS, paths)
