"""The delays of gradients."""

from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter

from akkordeon_dask.dashboard.panes._base import Pane
from akkordeon_dask.dashboard.panes._theme import add_legend, chart, counted, gate_color, hover, legend_above
from akkordeon_dask.dashboard.panes._view import MOST
from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["Delays"]

_COLUMNS = ("x", "top", "width", "color", "name", "delay", "count", "policy")


class Delays(Pane):
    """A histogram for each gate: the share of its gradients with each delay, in updates, since it was deployed."""

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
        facts.append(("policy", "@policy"))
        hover(self.root, facts)

    def show(self, network: NetworkTelemetry | None) -> None:
        """Draw the present histograms."""
        known = list(network.gates.values()) if network is not None else []
        front = network.busiest[: None if self.every else MOST] if network is not None else []
        gates = [gate for gate in known if gate.metrics.delays and gate in front]
        policies = network.policies if network is not None else {}
        data: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
        for number, gate in enumerate(gates):
            total = sum(count for _, count in gate.metrics.delays)
            width = 0.8 / len(gates)
            for delay, count in gate.metrics.delays:
                position, name = gate.metrics.position, gate.metrics.name
                x = delay - 0.4 + (number + 0.5) * width
                row = x, count / total, width, gate_color(position), name, delay, count, policies.get(name, "")
                for column, value in zip(_COLUMNS, row, strict=True):
                    data[column].append(value)
        if data != self.source.data:
            self.source.data = data
            self.root.title.text = counted(self.title, len(known))[self.every]
            firsts = {name: index for index, name in reversed(list(enumerate(data["name"])))}
            if firsts != self._firsts:
                self._firsts = firsts
                self._label(firsts)

    def _label(self, firsts: dict[str, int]) -> None:
        bars = [self._bars]
        items = [(name, bars, index) for name, index in sorted(firsts.items(), key=lambda item: item[1])]
        legend_above(self._legend, items[:MOST])
