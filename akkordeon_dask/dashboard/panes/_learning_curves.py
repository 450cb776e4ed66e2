"""Loss and scores over passes, time, updates or samples."""

from collections.abc import Sequence
from typing import Any

from bokeh.models import (
    BasicTicker,
    BasicTickFormatter,
    ColumnDataSource,
    DataRange1d,
    GlyphRenderer,
    Line,
    LinearScale,
    LogScale,
    LogTicker,
    NumeralTickFormatter,
    Scatter,
)

from akkordeon_dask.dashboard.panes._base import Pane
from akkordeon_dask.dashboard.panes._curve_points import COLUMNS, Curve, CurvePoints, Points, Values
from akkordeon_dask.dashboard.panes._theme import (
    FRONT,
    REST,
    add_legend,
    chart,
    counted,
    hover,
    legend_above,
    sentinel_color,
)
from akkordeon_dask.dashboard.panes._view import AXES, MOST, View
from akkordeon_dask.telemetry._network import NetworkTelemetry

__all__ = ["FAINT", "Curves", "loss", "scores"]

_DASHES = ("solid", "dashed", "dotted", "dotdash")
FAINT = 0.3
"""Alpha of a curve below its mean."""


class Curves(Pane):
    """Figures of passes, a curve for each sentinel and figure; training and validation in colours of their own.

    Parameters
    ----------
    title, unit
        what it says above and beside.
    values
        the figures of a pass, by name.
    logs
        the switch for a logarithmic scale is meant for it.
    """

    def __init__(self, title: str, unit: str, values: Values, *, logs: bool = False) -> None:
        self.title, self.view = title, View()
        self._values, self._unit = values, unit
        self.root = chart(title, AXES[self.view.x].title, unit)
        ticker = BasicTicker(mantissas=[1, 2, 5], min_interval=1, desired_num_ticks=5, num_minor_ticks=0)
        self.root.xaxis.ticker = self.root.xgrid.ticker = ticker
        self.root.xaxis.formatter = NumeralTickFormatter(format="0.[0]a")
        self.root.yaxis.formatter = BasicTickFormatter()
        self.root.x_range, self.root.y_range = DataRange1d(only_visible=True), DataRange1d(only_visible=True)
        self.tickers = [self.root.yaxis[0].ticker, LogTicker(mantissas=[1, 2, 5], num_minor_ticks=0)] if logs else []
        """Of its scale: linear, logarithmic; none where there is one scale only."""
        self._legend = add_legend(self.root)
        facts = [("", "$name"), ("pass", "@epoch"), ("after", "@elapsed{0,0.0} s, @updates{0,0} updates")]
        facts += [(unit, "@value{0.000000}"), ("samples", "@samples{0,0}")]
        self._hover = hover(self.root, facts)
        self._frames = [ColumnDataSource({"y": []}) for _ in range(2)]
        """Least and greatest value that shall be in sight: of the curves at a glance, and of all."""
        self._sight = [_frame(source) for source in self._frames]
        self._shown: tuple[Any, ...] = ()
        self._viewed = View()
        self._trace: CurvePoints | None = None
        self._sources: dict[Curve, ColumnDataSource] = {}
        self._drawn: dict[Curve, list[GlyphRenderer]] = {}
        self._fit()

    def show(self, record: NetworkTelemetry | None) -> None:
        """Add what is new; draw anew where there are other curves, or points have moved or gone."""
        shown = record, *((record.passes.thinned,) if record is not None else ())
        if shown != self._shown or (self._trace is not None and not self._stream(self._trace)):
            self._shown = shown
            self._trace = CurvePoints(record, self._values) if record is not None else None
            self._draw()
        if self.view != self._viewed:
            self._turn()
        self._keep_in_sight()

    def _stream(self, trace: CurvePoints) -> bool:
        """Whether the curves are those that are drawn; they have got their new points then."""
        new = trace.new_points()
        if trace.curves != tuple(self._sources):
            return False
        for curve, points in new.items():
            self._sources[curve].stream(self._placed(points))
        return True

    def _placed(self, points: Points) -> Points:
        """The points with the place of each on the x axis; a list of its own, for the source makes it longer."""
        return {**points, "x": list(map(float, points[self.view.x]))}

    def _draw(self) -> None:
        points: dict[Curve, Points] = self._trace.new_points() if self._trace is not None else {}
        curves = self._trace.curves if self._trace is not None else ()
        if curves != tuple(self._sources):  # new glyphs cost a hundred times as much as new points
            with self.drawing():
                self._begin(curves)
        for curve, source in self._sources.items():
            source.data = self._placed(points[curve])

    def _begin(self, curves: Sequence[Curve]) -> None:
        """Make the glyphs, yet without points, for bokeh sends them twice."""
        self._sources = {curve: ColumnDataSource({name: [] for name in (*COLUMNS, "x")}) for curve in curves}
        names = {curve.name for curve in curves}
        labels = {one: f"{one.sentinel} {one.name}" if len(names) > 1 else one.sentinel for one in curves}
        self._drawn = {one: self._glyphs(one, labels[one], rest=one in curves[MOST:]) for one in curves}
        self._apply()
        self.root.yaxis.axis_label = min(names) if len(names) == 1 else self._unit
        self._hover.renderers = [dots for _, dots, _ in self._drawn.values()]
        self._fit()
        legend_above(self._legend, [(labels[one], self._drawn[one], None) for one in curves[:MOST]])
        self.root.tags = counted(self.title, len(curves))
        self.root.title.text = self.root.tags[self.view.every]

    def _glyphs(self, curve: Curve, label: str, *, rest: bool) -> list[GlyphRenderer]:
        """The curve, its points, and its mean."""
        color, dash = sentinel_color(curve.mode, curve.rank), _DASHES[curve.place % len(_DASHES)]
        line = Line(x="x", y="value", line_color=color, line_dash=dash, line_width=1.6)
        dots = Scatter(x="x", y="value", size=4, line_color=color, fill_color=color)
        mean = Line(x="x", y="smooth", line_color=color, line_dash=dash, line_width=2)
        told = [FRONT if not rest else REST, curve.sentinel, curve.mode, curve.name]
        source = self._sources[curve]
        return [GlyphRenderer(data_source=source, glyph=one, name=label, tags=told) for one in (line, dots, mean)]

    @property
    def _renderers(self) -> list[GlyphRenderer]:
        return [one for drawn in self._drawn.values() for one in drawn]

    def _turn(self) -> None:
        """Show it in another way. Ranges are new, for those that the reader has moved would stay where they are."""
        view, before, self._viewed = self.view, self._viewed, self.view
        self._apply()
        self.root.title.text = self.root.tags[view.every] if self.root.tags else self.title
        if view.x != before.x:
            self.root.xaxis.axis_label = AXES[view.x].title
            self.root.xaxis[0].ticker.min_interval = int(AXES[view.x].whole)
            self.root.x_range = DataRange1d(only_visible=True, renderers=self._renderers)
            for source in self._sources.values():
                source.data = self._placed(dict(source.data))
        if self.tickers and view.log != before.log:
            self.root.y_scale = LogScale() if view.log else LinearScale()
            self.root.yaxis[0].ticker = self.root.ygrid[0].ticker = self.tickers[view.log]
        if (view.log, view.whole, view.every) != (before.log, before.whole, before.every):
            self.root.y_range = DataRange1d(only_visible=True, renderers=self._in_sight())
            for source in self._frames:  # a browser does not look how far a new range goes before data come
                source.data = dict(source.data)

    def _apply(self) -> None:
        """Let all glyphs look as the view says."""
        view = self.view
        for line, dots, mean in self._drawn.values():
            for one in (line, dots, mean):
                one.visible = view.every or one.tags[0] == FRONT
            alpha = FAINT if view.smooth else 1.0
            line.glyph.line_alpha = dots.glyph.line_alpha = dots.glyph.fill_alpha = alpha
            mean.glyph.line_alpha = float(view.smooth)  # not `visible`, which a click on the legend turns round

    def _fit(self) -> None:
        """Draw what there is, and let the axes follow it."""
        self.root.renderers = [*self._sight, *self._renderers]
        self.root.x_range.renderers, self.root.y_range.renderers = self._renderers, self._in_sight()

    def _in_sight(self) -> list[GlyphRenderer]:
        """The renderers that the y axis follows."""
        whole = self.view.whole or (bool(self.tickers) and self.view.log)
        return self._renderers if whole else [self._sight[self.view.every]]

    def _keep_in_sight(self) -> None:
        spans = [self._trace.extent(curve).span for curve in self._sources] if self._trace is not None else []
        for source, some in zip(self._frames, (spans[:MOST], spans), strict=True):
            ends = [end for span in some if span is not None for end in span]
            y = [min(ends), max(ends)] if ends else []
            if y != source.data["y"]:
                source.data = {"y": y}


def _frame(source: ColumnDataSource) -> GlyphRenderer:
    return GlyphRenderer(data_source=source, glyph=Scatter(x=0, y="y", size=0, line_alpha=0, fill_alpha=0))


def loss() -> Curves:
    """The loss of each pass."""
    return Curves("Loss", "mean loss of a sample", lambda one: {"mean loss of a sample": one.loss}, logs=True)


def scores() -> Curves:
    """The scores of each pass."""
    return Curves("Scores", "score of the pass", lambda one: one.scores)
