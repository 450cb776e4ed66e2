"""Loss and scores over passes."""

from collections.abc import Iterable
from typing import Any

from bokeh.models import ColumnDataSource, GlyphRenderer, Line, NumeralTickFormatter, Scatter

from akkordeon_dask.dashboard._look import add_legend, chart, hover, legend_above, sentinel_color
from akkordeon_dask.dashboard._pane import Pane
from akkordeon_dask.dashboard._record import NetworkRecord
from akkordeon_dask.dashboard._trace import COLUMNS, Curve, Trace, Values

__all__ = ["Curves", "loss", "scores"]

_AXES = {"epoch": "pass", "elapsed": "time since the start (s)"}
_DASHES = ("solid", "dashed", "dotted", "dotdash")


class Curves(Pane):
    """Figures of passes, a curve for each sentinel and figure; training and validation in colours of their own.

    Parameters
    ----------
    title, unit
        what it says above and beside.
    values
        the figures of a pass, by name.
    x
        `epoch`: over the number of the pass; `elapsed`: over seconds since the deployment.
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
        self._trace: Trace | None = None
        self._sources: dict[Curve, ColumnDataSource] = {}

    def show(self, record: NetworkRecord | None) -> None:
        """Add what is new; draw anew where there are other curves, or points have moved or gone."""
        shown = (record, self.x, *((record.passes.thinned,) if record is not None else ()))
        if shown == self._shown and (self._trace is None or self._stream(self._trace)):
            return
        self._shown = shown
        self._trace = Trace(record, self._values) if record is not None else None
        self._draw()

    def _stream(self, trace: Trace) -> bool:
        """Whether the curves are those that are drawn; they have got their new points then."""
        new = trace.take()
        if trace.curves != tuple(self._sources):
            return False
        for curve, points in new.items():
            self._sources[curve].stream(points)
        return True

    def _draw(self) -> None:
        points = self._trace.take() if self._trace is not None else {}
        curves = self._trace.curves if self._trace is not None else ()
        names = {curve.name for curve in curves}
        self.root.xaxis.axis_label = _AXES[self.x]
        self.root.yaxis.axis_label = f"mean {min(names)}" if len(names) == 1 else self._unit
        drawn = self.x, curves
        if drawn != self._drawn:  # new glyphs cost a hundred times as much as new points
            self._drawn = drawn
            with self.drawing():
                self._begin(curves, named=len(names) > 1)
        for curve, source in self._sources.items():
            source.data = points[curve]

    def _begin(self, curves: Iterable[Curve], *, named: bool) -> None:
        """Make the glyphs, yet without points, for bokeh sends them twice; `named`: with the figures' names."""
        self._sources = {curve: ColumnDataSource({name: [] for name in COLUMNS}) for curve in curves}
        self._legend.items = []
        renderers, items = [], []
        for curve, source in self._sources.items():
            label = f"{curve.sentinel} {curve.name}" if named else curve.sentinel
            both = [GlyphRenderer(data_source=source, glyph=glyph, name=label) for glyph in self._glyphs(curve)]
            renderers += both
            items.append((label, both, None))
        self.root.renderers = renderers
        legend_above(self._legend, items)

    def _glyphs(self, curve: Curve) -> tuple[Line, Scatter]:
        color, dash = sentinel_color(curve.mode, curve.rank), _DASHES[curve.place % len(_DASHES)]
        line = Line(x=self.x, y="value", line_color=color, line_dash=dash, line_width=1.6)
        return line, Scatter(x=self.x, y="value", size=4, line_color=color, fill_color=color)


def loss() -> Curves:
    """The loss of each pass."""
    return Curves("Loss", "mean loss of a sample", lambda one: {"loss of a sample": one.loss}, form="0.[000]")


def scores() -> Curves:
    """The scores of each pass."""
    return Curves("Scores", "mean score of a sample", lambda one: one.scores, form="0.[000]")
