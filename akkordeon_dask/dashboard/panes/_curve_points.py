"""Passes as points of curves, followed from one update to the next."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from akkordeon_dask.dashboard.panes._extent import Extent
from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry import NetworkTelemetry

__all__ = ["COLUMNS", "Curve", "CurvePoints", "Points", "Values"]

COLUMNS = ("epoch", "elapsed", "updates", "samples_trained", "value", "smooth", "samples")
"""The facts of a point: number of the pass, seconds since the deployment, updates of the network and samples it was
trained with until then, the figure, the figure smoothed, samples of the pass."""

Values = Callable[[PassReport], Mapping[str, float]]
"""The figures of a pass, by name."""
Points = dict[str, list[float]]
"""A list for each of `COLUMNS`, oldest first. A figure that is not finite is NaN, which is not drawn."""

_WEIGHT = 0.6
"""Weight that a smoothed curve gives to the points before."""


class Curve(NamedTuple):
    """A figure of a sentinel over its passes. In their order the first sentinels of each mode come first."""

    rank: int
    """Sentinels of its mode that were seen before it."""
    position: int
    """Figures before it in the same pass."""
    untrained: bool
    """It does not train."""
    mode: str
    sentinel: str
    name: str
    """Of the figure."""


class CurvePoints:
    """The points of a network's passes: each is returned once, so an update costs the new ones. Of one pane.

    Parameters
    ----------
    network
        always the same one, of whose passes none has been dropped.
    values
        the figures of a pass.
    """

    def __init__(self, network: NetworkTelemetry, values: Values) -> None:
        self._network, self._values = network, values
        self._seen = 0
        self._curves: defaultdict[Curve, _State] = defaultdict(_State)

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Those that have a point, in their order."""
        return tuple(sorted(self._curves))

    def extent(self, curve: Curve) -> Extent:
        """Least and greatest of the values so far."""
        return self._curves[curve].extent

    def new_points(self) -> dict[Curve, Points]:
        """The points since the last call."""
        passes, points = self._network.passes, defaultdict[Curve, Points](lambda: {column: [] for column in COLUMNS})
        new, self._seen = passes.seen - self._seen, passes.seen
        for one in passes[max(0, len(passes) - new) :]:
            if one.mode != "predict":
                self._add(one, points)
        return points

    def _add(self, one: PassReport, added: dict[Curve, Points]) -> None:
        rank = self._network.rank(one.sentinel, one.mode)
        for position, (name, figure) in enumerate(self._values(one).items()):
            value = figure if math.isfinite(figure) else math.nan
            curve = Curve(rank, position, one.mode != "train", one.mode, one.sentinel, name)
            points, smooth = added[curve], self._curves[curve].add(value)
            point = one.epoch, one.elapsed, one.updates, one.samples_trained, value, smooth, one.samples
            for column, number in zip(COLUMNS, point, strict=True):
                points[column].append(number)


class _State:
    """Extent and smoothing of a curve."""

    def __init__(self) -> None:
        self.extent = Extent()
        self._sum = self._weight = 0.0

    def add(self, value: float) -> float:
        """Add the next value; returns the weighted mean of all until now, as TensorBoard does. NaN counts nothing."""
        if math.isnan(value):
            return value
        self.extent.add(value)
        self._sum = _WEIGHT * self._sum + (1 - _WEIGHT) * value
        self._weight = _WEIGHT * self._weight + (1 - _WEIGHT)
        return self._sum / self._weight
