"""A run as one HTML file that needs nothing else, not even a network."""

import copy
import html
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.resources import INLINE

from akkordeon_dask._html import html_table
from akkordeon_dask.dashboard.panes import _learning_curves, _time_plots
from akkordeon_dask.dashboard.panes._base import Pane
from akkordeon_dask.dashboard.panes._confusion import ConfusionMatrix, WrongImages, shown_confusion
from akkordeon_dask.dashboard.panes._delays import Delays
from akkordeon_dask.dashboard.panes._graph import Graph
from akkordeon_dask.dashboard.panes._switches import Switches
from akkordeon_dask.dashboard.panes._time_plot import TimePlot
from akkordeon_dask.dashboard.report._run_facts import RunFacts
from akkordeon_dask.dashboard.report._template import TEMPLATE
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import (
    HOUR,
    PASS_COLUMNS,
    PASS_NUMBERS,
    NetworkTelemetry,
    PassLog,
    duration_text,
    largest_delay,
    mean_delay,
    pass_cells,
    scores_text,
)

__all__ = ["report"]

_ROWS = 2000
_HEIGHT = 250
_NEWEST = (
    *("sentinel", "mode", "passes", "loss", "scores", "samples/s", "since the start"),
    *("updates of the network", "samples trained"),
)


@dataclass(frozen=True, slots=True)
class _Part:
    title: str
    charts: Sequence[str] = ()
    html: str = ""


def report(network: NetworkTelemetry, facts: RunFacts, now: float) -> str:
    """All of a run in HTML: curves, the network, its settings, its passes and incidents.

    Parameters
    ----------
    network
        the scheduler's telemetry; an empty one where it has none.
    facts
        the client's part.
    now
        seconds since 1970.
    """
    network = copy.copy(network)
    passes, network.passes = _merged(network.passes, facts.passes), PassLog()
    for one in passes:
        network.add_pass(one)
    _add_confusions(network, facts.passes)
    charts = _charts(network)
    parts = [
        _Part("Final figures" if network.ended is not None else "Newest figures", html=_newest(network, passes)),
        _Part("Learning", ["switches", "loss", "scores"]),
        _Part("Classes", ["confusion", "mistakes"] if shown_confusion(network) is not None else []),
        _Part("Network", ["graph"] if network.gates else [], f"<pre>{html.escape(facts.network)}</pre>"),
        _Part("Work", ["throughput", "busy", "in-flight", "delays", "traffic", "versions"] if network.gates else []),
        _Part("Gates", html=_gates(network, facts)),
        _Part("Sentinels", html=_sentinels(network, facts)),
        _Part("Settings", html=html_table(("setting", "value"), ((k, str(v)) for k, v in facts.settings.items()))),
        _Part("Passes", html=_passes(passes)),
        _Part("Incidents", html=_incidents(network)),
    ]
    shown = {name for part in parts for name in part.charts}
    document = Document()
    with document.models.freeze():  # or it would go through all models for each
        for chart in charts:
            if chart.name in shown:
                document.add_root(chart)
    return str(
        file_html(
            document,
            INLINE,
            title=f"{network.name}: a report of akkordeon_dask",
            template=TEMPLATE,
            template_variables={
                "heading": html.escape(network.name),
                "facts": _summary(network, facts, now),
                "parts": [part for part in parts if part.charts or part.html],
            },
        )
    )


def _merged(seen: Iterable[PassReport], own: Iterable[PassReport]) -> list[PassReport]:
    """All passes by time: the scheduler's, and the client's that the scheduler has dropped or not yet received."""
    passes = list(seen)
    known = {_key(one) for one in passes}
    passes += [one for one in own if _key(one) not in known]
    return sorted(passes, key=lambda one: one.ended)


def _add_confusions(network: NetworkTelemetry, own: Iterable[PassReport]) -> None:
    """Those that the client knows; the scheduler has that of a short pass only if a heartbeat came in time."""
    network.confusions = dict(network.confusions)
    for one in own:
        if one.confusion is not None:
            network.add_confusion(one.sentinel, one.confusion)


def _key(one: PassReport) -> tuple[Any, ...]:
    return one.sentinel, one.mode, one.epoch, one.seconds, one.samples, one.lost


def _charts(network: NetworkTelemetry) -> list[Any]:
    """All charts, named and filled."""
    makers: dict[str, Callable[[], Pane]] = {
        "graph": Graph,
        "loss": _learning_curves.loss,
        "scores": _learning_curves.scores,
        "confusion": ConfusionMatrix,
        "mistakes": WrongImages,
        "throughput": _time_plots.throughput,
        "busy": _time_plots.busy,
        "in-flight": _time_plots.in_flight,
        "delays": Delays,
        "traffic": _time_plots.traffic,
        "versions": _time_plots.versions,
    }
    panes = {name: make() for name, make in makers.items()}
    for name, pane in panes.items():
        if isinstance(pane, TimePlot):
            pane.streamer.window = HOUR
        pane.show(network)
        pane.root.name, pane.root.height, pane.root.sizing_mode = name, _HEIGHT, "stretch_width"
    switches = Switches([pane for pane in panes.values() if isinstance(pane, _learning_curves.Curves)])
    switches.root.name = "switches"
    switches.work_alone([pane.root for pane in panes.values() if isinstance(pane, TimePlot)])
    return [switches.root, *(pane.root for pane in panes.values())]


def _newest(network: NetworkTelemetry, passes: Iterable[PassReport]) -> str:
    """The last pass of each sentinel, those that train first."""
    newest = {(one.sentinel, one.mode): one for one in passes if one.mode != "predict"}
    if not newest:
        return "<p>no pass is finished yet</p>"
    rows = []
    for one in sorted(newest.values(), key=lambda one: (one.mode != "train", network.rank(one.sentinel, one.mode))):
        work = f"{one.samples_per_s:,.0f}", duration_text(one.elapsed), f"{one.updates:,}", f"{one.samples_trained:,}"
        rows.append((one.sentinel, one.mode, str(one.epoch), f"{one.loss:.6f}", scores_text(one), *work))
    return html_table(_NEWEST, rows, _NEWEST[2:4] + _NEWEST[5:])


def _summary(network: NetworkTelemetry, facts: RunFacts, now: float) -> str:
    gates, workers = len(facts.gates), len({worker for _, worker, _ in facts.gates})
    words = [f"{gates} gates", f"{workers} workers", f"{sum(count for *_, count in facts.gates):,} parameters"]
    if network.deployed is not None:
        words.append(f"deployed {_date(network.deployed)}")
    if network.ended is not None:
        words.append(f"ended {_date(network.ended)}")
    words += [f"written {_date(now)}", facts.note]
    return html.escape(" · ".join(filter(None, words)))


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _gates(network: NetworkTelemetry, facts: RunFacts) -> str:
    counted = "parameters", "updates", "delay (updates)", "failed", "dropped"
    columns = ("gate", "worker", "address", "as written", *counted, "policy")
    written, rows = {spec.name: (spec.text, spec.policy) for spec in network.specs}, []
    for name, address, parameters in facts.gates:
        gate = network.gates.get(name)
        text, policy = written.get(name, ("", ""))
        if gate is None:
            rows.append((name, "", address, text, f"{parameters:,}", *[""] * 4, policy))
            continue
        metrics = gate.metrics
        delays = metrics.delays
        late = f"{mean_delay(delays):.2f}, largest {largest_delay(delays)}" if delays else ""
        counts = f"{metrics.updates:,}", late, f"{metrics.failed:,}", f"{metrics.dropped:,}"
        rows.append((name, gate.worker, gate.address, text, f"{parameters:,}", *counts, policy))
    return html_table(columns, rows, counted)


def _sentinels(network: NetworkTelemetry, facts: RunFacts) -> str:
    columns = ("sentinel", "mode", "worker", "as written", "lost samples", "batches sent again")
    rows = []
    for name in dict.fromkeys([*facts.sentinels, *network.sentinels]):
        written = facts.sentinels.get(name, "attached by another client")
        sentinel = network.sentinels.get(name)
        if sentinel is None:
            rows.append((name, "", "", written, "", ""))
            continue
        metrics = sentinel.metrics
        rows.append((name, metrics.mode, sentinel.worker, written, f"{metrics.lost:,}", f"{metrics.resent:,}"))
    return html_table(columns, rows, columns[4:]) if rows else "<p>none</p>"


def _passes(passes: Sequence[PassReport]) -> str:
    if not passes:
        return "<p>none is finished</p>"
    rows = [(_date(one.ended), *pass_cells(one)) for one in passes[: -_ROWS - 1 : -1]]
    more = f"<p>the newest {_ROWS:,} of {len(passes):,}</p>" if len(passes) > _ROWS else ""
    return more + html_table(("time", *PASS_COLUMNS), rows, PASS_NUMBERS)


def _incidents(network: NetworkTelemetry) -> str:
    rows = [(_date(one.time), one.event, one.who, one.text) for one in reversed(network.incidents)]
    return html_table(("time", "event", "actor", "details"), rows) if rows else "<p>nothing went wrong</p>"
