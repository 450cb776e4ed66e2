"""The page: all panes of one network, and the choice of the network."""

import html
from collections.abc import Callable, Mapping
from typing import Any

from bokeh.core.properties import without_property_validation
from bokeh.models import Column, Div, GlobalInlineStyleSheet, RadioButtonGroup, Row, Select
from distributed.dashboard.components import DashboardComponent

from akkordeon_dask.dashboard.panes import _time_plots
from akkordeon_dask.dashboard.panes._base import Pane
from akkordeon_dask.dashboard.panes._confusion import ConfusionMatrix, WrongImages, shown_confusion
from akkordeon_dask.dashboard.panes._delays import Delays
from akkordeon_dask.dashboard.panes._graph import Graph
from akkordeon_dask.dashboard.panes._learning_curves import Curves, loss, scores
from akkordeon_dask.dashboard.panes._open_passes import OpenPasses
from akkordeon_dask.dashboard.panes._switches import Switches
from akkordeon_dask.dashboard.panes._tables import Incidents, Passes
from akkordeon_dask.dashboard.panes._time_plot import TimePlot, TimeSeriesStreamer
from akkordeon_dask.telemetry import NetworkTelemetry, TelemetryStore

__all__ = ["PANES", "Page", "SinglePane"]

PANES: Mapping[str, Callable[[], Pane]] = {
    "graph": Graph,
    "progress": OpenPasses,
    "throughput": _time_plots.throughput,
    "busy": _time_plots.busy,
    "traffic": _time_plots.traffic,
    "delays": Delays,
    "in-flight": _time_plots.in_flight,
    "versions": _time_plots.versions,
    "loss": loss,
    "scores": scores,
    "confusion": ConfusionMatrix,
    "mistakes": WrongImages,
    "passes": Passes,
    "troubles": Incidents,
}
"""The function that makes each pane, by the word in its address."""

_WINDOWS = {"1 min": 60, "5 min": 300, "1 hour": 3600}
# Dask's menu would take two lines, the second of which hides the head of the page.
_MENU = "@media (min-width: 801px) and (max-width: 1200px) { .navbar li:not(#dask-logo) a { padding: 11px 8px; } }"
_NEWEST = ""
_WELCOME = (
    "<p><b>No network runs on this cluster.</b></p><p>It shows here as soon as one is deployed: "
    "<code>deploy(network, client)</code> in Python, <code>dask akkordeon network FILE.py:NETWORK</code> or "
    "<code>dask akkordeon demo</code> in a terminal.</p>"
)


class SinglePane(DashboardComponent):
    """One pane, of the network that was deployed last."""

    def __init__(self, store: TelemetryStore, pane: Pane) -> None:
        self.pane, self._store = pane, store
        self.switches = Switches([pane]) if isinstance(pane, Curves) else None
        self.root = pane.root
        if self.switches is not None:
            self.root = Column(children=[self.switches.root, pane.root], sizing_mode="stretch_both")
            self.switches.on_change(self.update)

    @without_property_validation  # type: ignore[untyped-decorator]
    def update(self) -> None:
        """Show the newest telemetry."""
        if self.switches is not None and isinstance(self.pane, Curves):
            self.pane.view = self.switches.view
        self.pane.show(self._store.newest())


class Page(DashboardComponent):
    """All panes of one network at a time."""

    def __init__(self, store: TelemetryStore, network: str = _NEWEST) -> None:
        self._store = store
        self.panes = {word: make() for word, make in PANES.items()}
        self._streamer = TimeSeriesStreamer([pane for pane in self.panes.values() if isinstance(pane, TimePlot)])
        self.select = Select(value=network, options=[(_NEWEST, "the newest network")], width=200, margin=(2, 5, 2, 5))
        self.head = Div(text="", sizing_mode="stretch_width", margin=(8, 5, 2, 5), styles={"font-size": "12px"})
        self.switches = Switches([pane for pane in self.panes.values() if isinstance(pane, Curves)])
        self.span = RadioButtonGroup(labels=list(_WINDOWS), active=1, margin=(2, 5, 2, 5))
        self.welcome = Div(text=_WELCOME, visible=True, margin=(40, 20, 20, 20), styles={"font-size": "15px"})
        self.classes = self._row("confusion", "mistakes", min_height=220, visible=False)
        self.body = self._layout()
        controls = Row(children=[self.select, self.head, self.span], sizing_mode="stretch_width")
        menu = [GlobalInlineStyleSheet(css=_MENU)]
        self.root = Column(children=[controls, self.welcome, self.body], sizing_mode="stretch_both", stylesheets=menu)
        self.select.on_change("value", self._changed)
        self.switches.on_change(self.update)
        self.span.on_change("active", self._changed)

    def _row(self, *words: str, **options: Any) -> Any:
        return Row(children=[self.panes[word].root for word in words], sizing_mode="stretch_both", **options)

    def _layout(self) -> Any:
        rows = [
            self._row("graph", min_height=170),
            self.panes["progress"].root,
            self.switches.root,
            self._row("loss", "scores", "throughput", "busy", min_height=200),
            self._row("in-flight", "delays", "traffic", "versions", min_height=200),
            self.classes,
            self._row("passes", "troubles", min_height=120),
        ]
        return Column(children=rows, sizing_mode="stretch_both", visible=False)

    def _changed(self, attr: str, old: Any, new: Any) -> None:
        self.update()

    @without_property_validation  # type: ignore[untyped-decorator]
    def update(self) -> None:
        """Show the newest telemetry of the chosen network."""
        network = self._store.networks.get(self.select.value) if self.select.value else self._store.newest()
        self._update_choices()
        self.welcome.visible, self.body.visible = network is None, network is not None
        self.classes.visible = shown_confusion(network) is not None
        self.head.text = _headline(network) if network is not None else ""
        self._streamer.window = list(_WINDOWS.values())[self.span.active or 0]
        view = self.switches.view
        for pane in self.panes.values():
            if isinstance(pane, Curves):
                pane.view = view
            elif isinstance(pane, TimePlot | Delays | OpenPasses):
                pane.every = view.every
        self._streamer.show(network)
        for pane in self.panes.values():
            if not isinstance(pane, TimePlot):
                pane.show(network)

    def _update_choices(self) -> None:
        """Offer all networks of the store; a chosen one stays, even when it has been dropped."""
        networks = self._store.networks
        options = [(_NEWEST, "the newest network")]
        options += [(name, f"{name} (ended)" if one.ended else name) for name, one in sorted(networks.items())]
        if self.select.value and self.select.value not in networks:
            options.append((self.select.value, f"{self.select.value} (gone)"))
        if options != self.select.options:
            self.select.options = options


def _headline(network: NetworkTelemetry) -> str:
    gates = network.gates.values()
    words = [f"<b>{html.escape(network.name)}</b>", f"{len(gates)} gates", f"{len(network.workers)} workers"]
    words.append(f"{network.parameters:,} parameters")
    if network.ended:
        words.append("<b>ended</b>")
    return " · ".join(words)
