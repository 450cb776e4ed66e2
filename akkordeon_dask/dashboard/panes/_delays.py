"""How late gradients are."""

from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter

from akkordeon_dask.dashboard.panes._base import Pane
from akkordeon_dask.dashboard.panes._theme import add_legend, chart, counted, gate_color, hover, legend_above
from akkordeon_dask.dashboard.panes._view import MOST
from akkordeon_dask.telemetry._network import NetworkTelemetry

__all__ = ["Delays"]

_COLUMNS = ("x", "top", "width", "color", "name", "delay", "count")


class Delays(Pane):
    """A histogram for each gate: which share of its gradients was how many updates late, since it was made."""

    title = "Delay of gradients"
    every = False
    """Of all gates, not only of the busiest ones."""

    def __init__(self) -> None:
        note = "updates made between forward and backward"
        self.root = chart(self.title, "delay (updates)", "share of gradients", note=note)
        self.root.xaxis.ticker.min_interval, self.root.xaxis.ticker.num_minor_ticks = 1, 0
        self.root.yaxis.formatter = NumeralTickFormatter(format="0%")
        self.root.y_range.start = 0
        self.root.xgrid.visible = False
        self.source = ColumnDataSource({name: [] for name in _COLUMNS})
        self._bars = self.root.vbar(x="x", top="top", width="width", color="color", line_color=None, source=self.source)
        self._legend = add_legend(self.root)
        self._firsts: dict[str, int] = {}
        """The first bar of each gate."""
        facts = [("gate", "@name"), ("delay", "@delay updates"), ("gradients", "@count{0,0}"), ("share", "@top{0.0%}")]
        hover(self.root, facts)

    def show(self, record: NetworkTelemetry | None) -> None:
        """Draw the present histograms."""
        told = list(record.gates.values()) if record is not None else []
        front = record.busiest[: None if self.every else MOST] if record is not None else []
        gates = [gate for gate in told if gate.metrics.delays and gate in front]
        data: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for number, gate in enumerate(gates):
            total = sum(count for _, count in gate.metrics.delays)
            width = 0.8 / len(gates)
            for delay, count in gate.metrics.delays:
                place, name = gate.metrics.place, gate.metrics.name
                x = delay - 0.4 + (number + 0.5) * width
                row = x, count / total, width, gate_color(place), name, delay, count
                for column, value in zip(_COLUMNS, row, strict=True):
                    data[column].append(value)
        if data != self.source.data:
            self.source.data = data
            self.root.title.text = counted(self.title, len(told))[self.every]
            firsts = {name: index for index, name in reversed(list(enumerate(data["name"])))}
            if firsts != self._firsts:
                self._firsts = firsts
                self._name(firsts)

    def _name(self, firsts: dict[str, int]) -> None:
        bars = [self._bars]
        items = [(name, bars, index) for name, index in sorted(firsts.items(), key=lambda item: item[1])]
        legend_above(self._legend, items[:MOST])
