"""Passes as points of curves, followed from one look to the next."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from akkordeon_dask.dashboard.panes._extent import Extent
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry._network import NetworkTelemetry

__all__ = ["COLUMNS", "Curve", "CurvePoints", "Points", "Values"]

COLUMNS = ("epoch", "elapsed", "updates", "samples_trained", "value", "smooth", "samples")
"""The facts of a point: number of the pass, seconds since the deployment, updates of the network and samples it was
trained with until then, the figure, the figure smoothed, samples of the pass."""

Values = Callable[[PassReport], Mapping[str, float]]
"""The figures of a pass, by name."""
Points = dict[str, list[float]]
"""A list for each of `COLUMNS`, oldest first. A figure that is not finite is NaN, which no plot draws."""

_WEIGHT = 0.6
"""Weight that a smoothed curve gives to the points before."""


class Curve(NamedTuple):
    """A figure of a sentinel over its passes. In their order the first sentinels of each mode come first."""

    rank: int
    """Sentinels of its mode that were seen before it."""
    place: int
    """Figures before it in the same pass."""
    untrained: bool
    """It does not train."""
    mode: str
    sentinel: str
    name: str
    """Of the figure."""


class CurvePoints:
    """The points of a record's passes: each is given once, so a look costs what is new. Belongs to one pane.

    Parameters
    ----------
    record
        whose passes; always the same one, and none of them has gone.
    values
        the figures of a pass.
    """

    def __init__(self, record: NetworkTelemetry, values: Values) -> None:
        self._record, self._values = record, values
        self._seen = 0
        self._curves: defaultdict[Curve, _State] = defaultdict(_State)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Those that have a point, in their order."""
        return tuple(sorted(self._curves))

    def extent(self, curve: Curve) -> Extent:
        """How far the values go that were taken."""
        return self._curves[curve].extent

    def new_points(self) -> dict[Curve, Points]:
        """The points that nobody took."""
        passes, taken = self._record.passes, defaultdict[Curve, Points](_no_points)
        new, self._seen = passes.seen - self._seen, passes.seen
        for one in passes[max(0, len(passes) - new) :]:
            if one.mode != "predict":
                self._add(one, taken)
        return taken

    def _add(self, one: PassReport, taken: dict[Curve, Points]) -> None:
        rank = self._record.rank(one.sentinel, one.mode)
        for place, (name, told) in enumerate(self._values(one).items()):
            value = told if math.isfinite(told) else math.nan
            curve = Curve(rank, place, one.mode != "train", one.mode, one.sentinel, name)
            points, smooth = taken[curve], self._curves[curve].take(value)
            point = one.epoch, one.elapsed, one.updates, one.samples_trained, value, smooth, one.samples
            for column, number in zip(COLUMNS, point, strict=True):
                points[column].append(number)


def _no_points() -> Points:
    return {column: [] for column in COLUMNS}


class _State:
    """The values of a curve that are kept."""

    def __init__(self) -> None:
        self.extent = Extent()
        self._sum = self._weight = 0.0

    def take(self, value: float) -> float:
        """Take the next value, and give the weighted mean of all until now, as TensorBoard does; NaN counts nothing."""
        if math.isnan(value):
            return value
        self.extent.add(value)
        self._sum = _WEIGHT * self._sum + (1 - _WEIGHT) * value
        self._weight = _WEIGHT * self._weight + (1 - _WEIGHT)
        return self._sum / self._weight
