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
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["FAINT", "Curves", "loss", "scores"]

_LOSS, _FADING_LOSS = "mean loss of a sample", "fading_loss"
_DASHES = ("solid", "dashed", "dotted", "dotdash")
FAINT = 0.3
"""Alpha of a curve below its mean."""


class Curves(Pane):
    """Figures of passes, a curve for each sentinel and figure; each mode has colours of its own.

    Parameters
    ----------
    title, unit
        the texts above the plot and beside its y axis.
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
        """The tickers of its scales: linear, logarithmic; empty where there is one scale only."""
        self._legend = add_legend(self.root)
        facts = [("", "$name"), ("pass", "@epoch"), ("after", "@elapsed{0,0.0} s, @updates{0,0} updates")]
        facts += [(unit, "@value{0.000000}"), ("samples", "@samples{0,0}")]
        self._hover = hover(self.root, facts)
        self._frames = [ColumnDataSource({"y": []}) for _ in range(2)]
        """Least and greatest value that shall be in sight: of the curves in front, and of all."""
        self._sight = [_frame(source) for source in self._frames]
        self._shown: tuple[Any, ...] = ()
        self._shown_view = View()
        self._points: CurvePoints | None = None
        self._sources: dict[Curve, ColumnDataSource] = {}
        self._drawn: dict[Curve, list[GlyphRenderer]] = {}
        self._fit()

    def show(self, network: NetworkTelemetry | None) -> None:
        """Add the new points; draw all where there are other curves, or points have been dropped."""
        shown = network, *((network.passes.thinned,) if network is not None else ())
        if shown != self._shown or (self._points is not None and not self._stream(self._points)):
            self._shown = shown
            self._points = CurvePoints(network, self._values) if network is not None else None
            self._draw()
        if self.view != self._shown_view:
            self._change_view()
        self._keep_in_sight()

    def _stream(self, points: CurvePoints) -> bool:
        """Add the new points, and return True, where the curves are those that are drawn."""
        new = points.new_points()
        if points.curves != tuple(self._sources):
            return False
        for curve, added in new.items():
            self._sources[curve].stream(self._with_x(added))
        return True

    def _with_x(self, points: Points) -> Points:
        """The points with the x of each; a list of its own, for the source makes it longer."""
        return {**points, "x": list(map(float, points[self.view.x]))}

    def _draw(self) -> None:
        points: dict[Curve, Points] = self._points.new_points() if self._points is not None else {}
        curves = self._points.curves if self._points is not None else ()
        if curves != tuple(self._sources):  # new glyphs cost a hundred times as much as new points
            with self.drawing():
                self._make_glyphs(curves)
        for curve, source in self._sources.items():
            source.data = self._with_x(points[curve])

    def _make_glyphs(self, curves: Sequence[Curve]) -> None:
        """Make the glyphs, still without points, which bokeh would send twice."""
        self._sources = {curve: ColumnDataSource({name: [] for name in (*COLUMNS, "x")}) for curve in curves}
        names = {curve.name for curve in curves}
        labels = {one: f"{one.sentinel} {one.name}" if len(names) > 1 else one.sentinel for one in curves}
        self._drawn = {one: self._glyphs(one, labels[one], rest=one in curves[MOST:]) for one in curves}
        self._style_glyphs()
        self.root.yaxis.axis_label = min(names) if len(names) == 1 else self._unit
        self._hover.renderers = [dots for _, dots, _ in self._drawn.values()]
        self._fit()
        legend_above(self._legend, [(labels[one], self._drawn[one], None) for one in curves[:MOST]])
        self.root.tags = counted(self.title, len(curves))
        self.root.title.text = self.root.tags[self.view.every]

    def _glyphs(self, curve: Curve, label: str, *, rest: bool) -> list[GlyphRenderer]:
        """The curve, its points, and its mean."""
        color, dash = sentinel_color(curve.mode, curve.rank), _DASHES[curve.position % len(_DASHES)]
        line = Line(x="x", y="value", line_color=color, line_dash=dash, line_width=1.6)
        dots = Scatter(x="x", y="value", size=4, line_color=color, fill_color=color)
        mean = Line(x="x", y="smooth", line_color=color, line_dash=dash, line_width=2)
        tags = [FRONT if not rest else REST, curve.sentinel, curve.mode, curve.name]
        source = self._sources[curve]
        return [GlyphRenderer(data_source=source, glyph=one, name=label, tags=tags) for one in (line, dots, mean)]

    @property
    def _renderers(self) -> list[GlyphRenderer]:
        return [one for drawn in self._drawn.values() for one in drawn]

    def _change_view(self) -> None:
        """Show another view. Ranges are new, for those that the reader has moved would stay where they are."""
        view, before, self._shown_view = self.view, self._shown_view, self.view
        self._style_glyphs()
        self.root.title.text = self.root.tags[view.every] if self.root.tags else self.title
        if view.x != before.x:
            self.root.xaxis.axis_label = AXES[view.x].title
            self.root.xaxis[0].ticker.min_interval = int(AXES[view.x].whole)
            self.root.x_range = DataRange1d(only_visible=True, renderers=self._renderers)
            for source in self._sources.values():
                source.data = self._with_x(dict(source.data))
        if self.tickers and view.log != before.log:
            self.root.y_scale = LogScale() if view.log else LinearScale()
            self.root.yaxis[0].ticker = self.root.ygrid[0].ticker = self.tickers[view.log]
        if (view.log, view.whole, view.every) != (before.log, before.whole, before.every):
            self.root.y_range = DataRange1d(only_visible=True, renderers=self._in_sight())
            for source in self._frames:  # a browser computes a new range only when data come
                source.data = dict(source.data)

    def _style_glyphs(self) -> None:
        """Give all glyphs the style of the view."""
        view = self.view
        for line, dots, mean in self._drawn.values():
            for one in (line, dots, mean):
                one.visible = view.every or one.tags[0] == FRONT
            alpha = FAINT if view.smooth else 1.0
            line.glyph.line_alpha = dots.glyph.line_alpha = dots.glyph.fill_alpha = alpha
            mean.glyph.line_alpha = float(view.smooth)  # not `visible`, which a click on the legend turns round

    def _fit(self) -> None:
        """Draw all curves, and let the axes follow them."""
        self.root.renderers = [*self._sight, *self._renderers]
        self.root.x_range.renderers, self.root.y_range.renderers = self._renderers, self._in_sight()

    def _in_sight(self) -> list[GlyphRenderer]:
        """The renderers that the y axis follows."""
        whole = self.view.whole or (bool(self.tickers) and self.view.log)
        return self._renderers if whole else [self._sight[self.view.every]]

    def _keep_in_sight(self) -> None:
        spans = [self._points.extent(curve).span for curve in self._sources] if self._points is not None else []
        for source, some in zip(self._frames, (spans[:MOST], spans), strict=True):
            ends = [end for span in some if span is not None for end in span]
            y = [min(ends), max(ends)] if ends else []
            if y != source.data["y"]:
                source.data = {"y": y}


def _frame(source: ColumnDataSource) -> GlyphRenderer:
    return GlyphRenderer(data_source=source, glyph=Scatter(x=0, y="y", size=0, line_alpha=0, fill_alpha=0))


def loss() -> Curves:
    """The loss of each pass."""
    return Curves("Loss", _LOSS, lambda one: {_LOSS: one.loss} | _scores(one, losses=True), logs=True)


def scores() -> Curves:
    """The scores of each pass."""
    return Curves("Scores", "score of the pass", lambda one: _scores(one, losses=False))


def _scores(one: PassReport, *, losses: bool) -> dict[str, float]:
    """The average loss of a stream stands beside the loss, whose scale it has."""
    return {name: value for name, value in one.scores.items() if (name == _FADING_LOSS) == losses}
