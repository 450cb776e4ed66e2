"""Loss and scores over passes."""

from collections.abc import Callable
from typing import Any

from bokeh.models import ColumnDataSource, NumeralTickFormatter

from akkordeon_dask.dashboard._look import add_legend, chart, hover, legend_above, sentinel_color
from akkordeon_dask.dashboard._pane import Pane
from akkordeon_dask.dashboard._record import NetworkRecord, Pass

__all__ = ["Curves", "loss", "scores"]

_AXES = {"epoch": "pass", "elapsed": "time since the start (s)"}
_DASHES = ("solid", "dashed", "dotted", "dotdash")
_POINTS = 1000

Values = Callable[[Pass], dict[str, float]]


class Curves(Pane):
    """Figures of passes, a curve for each sentinel and figure; training and validation in colours of their own.

    Parameters
    ----------
    title, unit
        what it says above and beside.
    values
        the figures of a pass, by name.
    x
        `epoch`: over the number of the pass; `elapsed`: over seconds since the first pass began.
    """

    def __init__(self, title: str, unit: str, values: Values, *, form: str, x: str = "epoch") -> None:
        self.title, self.x = title, x
        self._values, self._unit = values, unit
        self.root = chart(title, _AXES[x], unit)
        self.root.yaxis.formatter = NumeralTickFormatter(format=form)
        self._legend = add_legend(self.root)
        facts = [("", "$name"), ("pass", "@epoch"), ("after", "@elapsed{0.0} s"), (unit, "@value{0.000000}")]
        hover(self.root, [*facts, ("samples", "@samples{0,0}")])
        self._shown: tuple[Any, ...] = ()
        self._drawn: tuple[Any, ...] = ()
        self._sources: dict[tuple[str, str, str], ColumnDataSource] = {}

    def show(self, record: NetworkRecord | None) -> None:
        """Draw anew where passes have been added."""
        shown = record, record.passes_seen if record is not None else 0, self.x
        if shown != self._shown:
            self._shown = shown
            self._draw(record)

    def _draw(self, record: NetworkRecord | None) -> None:
        curves = self._collect(record) if record is not None else {}
        self.root.xaxis.axis_label = _AXES[self.x]
        drawn = self.x, tuple(curves)
        if drawn == self._drawn:  # new glyphs would cost a hundred times as much as new points
            for key, points in curves.items():
                self._sources[key].data = points
            return
        self._drawn = drawn
        with self._drawing():
            self._begin(curves)

    def _begin(self, curves: dict[tuple[str, str, str], dict[str, list[float]]]) -> None:
        """Make the glyphs."""
        self._sources = {key: ColumnDataSource(points) for key, points in curves.items()}
        self._legend.items = []
        renderers, items = [], []
        for key, source in self._sources.items():
            label, color, dash = key
            style = {"source": source, "name": label, "color": color}
            both = [
                self.root.line(self.x, "value", line_dash=dash, line_width=1.6, **style),
                self.root.scatter(self.x, "value", size=4, **style),
            ]
            renderers += both
            items.append((label, both, None))
        self.root.renderers = renderers
        legend_above(self._legend, items)

    def _collect(self, record: NetworkRecord) -> dict[tuple[str, str, str], dict[str, list[float]]]:
        curves: dict[tuple[str, str, str], dict[str, list[float]]] = {}
        passes = [one for one in record.passes if one.mode != "predict"]
        names = {name for one in passes for name in self._values(one)}
        self.root.yaxis.axis_label = f"mean {names.pop()}" if len(names) == 1 else self._unit
        begin = min((one.time - one.seconds for one in passes), default=0.0)
        for one in passes:
            color = sentinel_color(one.mode, record.rank(one.sentinel, one.mode))
            for place, (name, value) in enumerate(self._values(one).items()):
                label = f"{one.sentinel} {name}" if names else one.sentinel
                key = label, color, _DASHES[place % len(_DASHES)]
                points = curves.setdefault(key, {"epoch": [], "elapsed": [], "value": [], "samples": []})
                points["epoch"].append(one.epoch)
                points["elapsed"].append(one.time - begin)
                points["value"].append(value)
                points["samples"].append(one.samples)
        return {key: {name: column[-_POINTS:] for name, column in points.items()} for key, points in curves.items()}


def loss() -> Curves:
    """The loss of each pass."""
    return Curves("Loss", "mean loss of a sample", lambda one: {"loss of a sample": one.loss}, form="0.[000]")


def scores() -> Curves:
    """The scores of each pass."""
    return Curves("Scores", "mean score of a sample", lambda one: one.scores, form="0.[000]")
