"""Switches for how curves are shown, and their figures as a file."""

from collections.abc import Callable, Sequence
from typing import Any

from bokeh.models import Button, CheckboxButtonGroup, CustomJS, Div, RadioButtonGroup, Row

from akkordeon_dask.dashboard.panes._learning_curves import FAINT, Curves
from akkordeon_dask.dashboard.panes._view import AXES, View

__all__ = ["Switches"]

_WAYS = {"log": "log scale of loss", "smooth": "smooth", "whole": "first passes", "every": "all curves"}
_HINT = (
    "The first pass is out of sight where it would flatten the others: 'first passes' shows it. In front a plot has "
    "six curves: the first sentinels of each mode, the busiest gates."
)

_DOWNLOAD = """
const columns = ["epoch", "elapsed", "updates", "samples_trained", "samples", "value"];
const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
const rows = [["sentinel", "mode", "figure", ...columns].join(",")];
for (const plot of plots) {
  const curves = new Map();
  for (const one of plot.renderers) if (one.tags.length > 1) curves.set(one.data_source.id, one);
  for (const {tags, data_source} of curves.values()) {
    const data = columns.map((column) => Array.from(data_source.data[column]));
    const names = tags.slice(1).map(quoted);
    data[0].forEach((_, row) => rows.push([...names, ...data.map((column) => column[row])].join(",")));
  }
}
const link = document.createElement("a");
link.href = URL.createObjectURL(new Blob([rows.join("\\n") + "\\n"], {type: "text/csv"}));
link.download = "passes.csv";
link.click();
URL.revokeObjectURL(link.href);
"""
"""All passes of all curves, those included that are hidden."""

_APPLY = """
const [log, smooth, whole, every] = [0, 1, 2, 3].map((way) => ways.active.includes(way));
const [column, title, counts] = axes[axis.active];
for (const plot of others) {
  if (plot.tags.length > 0) plot.title.text = plot.tags[Number(every)];
  for (const one of plot.renderers) if (one.tags[0] === "rest") one.visible = every;
}
for (const [plot, tickers] of plots) {
  const curves = plot.renderers.filter((one) => one.tags.length > 1);
  const frames = plot.renderers.filter((one) => one.tags.length === 0);
  for (const source of new Set(curves.map((one) => one.data_source))) {
    source.data.x = source.data[column];
    source.change.emit();
  }
  curves.forEach((one, index) => {
    const glyph = one.glyph;
    one.visible = every || one.tags[0] === "front";
    glyph.line_alpha = {value: index % 3 === 2 ? Number(smooth) : smooth ? faint : 1};
    if (index % 3 === 1) glyph.fill_alpha = glyph.line_alpha;
  });
  plot.title.text = plot.tags[Number(every)];
  plot.below[0].axis_label = title;
  plot.below[0].ticker.min_interval = Number(counts);
  const logs = log && tickers.length > 0;
  if (tickers.length > 0) {
    const Scale = Bokeh.Models.get(log ? "LogScale" : "LinearScale");
    plot.y_scale = new Scale();
    plot.left[0].ticker = tickers[Number(log)];
  }
  plot.y_range.renderers = whole || logs ? curves : [frames[Number(every)]];
  plot.reset.emit();
}
"""
"""The switches of `Curves` in a file that has no server."""


class Switches:
    """The way in which the plots of a document are shown: their axis, their scale, smoothed or not, all curves or some.

    Parameters
    ----------
    curves
        the plots of passes.
    """

    def __init__(self, curves: Sequence[Curves]) -> None:
        self._curves = curves
        margin = (2, 5, 2, 5)
        self.axis = RadioButtonGroup(labels=[axis.label for axis in AXES.values()], active=0, margin=margin)
        self.ways = CheckboxButtonGroup(labels=list(_WAYS.values()), active=[], margin=margin)
        self.download = Button(label="CSV", width=50, margin=margin)
        plots = [one.root for one in curves]
        self.download.js_on_event("button_click", CustomJS(args={"plots": plots}, code=_DOWNLOAD))
        style = {"font-size": "11px", "color": "#444444", "white-space": "nowrap"}
        head = Div(text=f'<span title="{_HINT}">loss and scores over</span>', margin=(8, 0, 2, 5), styles=style)
        self.root = Row(children=[head, self.axis, self.ways, self.download])

    @property
    def view(self) -> View:
        """The view that they are set to."""
        return View(list(AXES)[self.axis.active or 0], *(number in self.ways.active for number in range(len(_WAYS))))

    def on_change(self, update: Callable[[], None]) -> None:
        """Call `update` when one of them has changed, on the server."""
        for widget in (self.axis, self.ways):
            widget.on_change("active", lambda attr, old, new: update())

    def work_alone(self, others: Sequence[Any]) -> None:
        """Let the browser apply them, in a file without a server; `others` are plots of other things."""
        plots = [(one.root, one.tickers) for one in self._curves]
        axes = [(column, axis.title, axis.whole) for column, axis in AXES.items()]
        args = {"axis": self.axis, "ways": self.ways, "axes": axes, "plots": plots, "others": list(others)}
        apply = CustomJS(args={**args, "faint": FAINT}, code=_APPLY)
        self.axis.js_on_change("active", apply)
        self.ways.js_on_change("active", apply)
