"""Passes as points of curves, followed from one look to the next."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from akkordeon_dask.dashboard._record import NetworkRecord
from akkordeon_dask.messages import PassReport

__all__ = ["COLUMNS", "Curve", "Points", "Trace", "Values"]

COLUMNS = ("epoch", "elapsed", "value", "samples")
"""What is known of a point: number of the pass, seconds since the deployment, the figure, samples."""

Values = Callable[[PassReport], Mapping[str, float]]
"""The figures of a pass, by name."""
Points = dict[str, list[float]]
"""A list for each of `COLUMNS`, oldest first."""


class Curve(NamedTuple):
    """A figure of a sentinel over its passes. In their order those that train come first."""

    untrained: bool
    """It does not train."""
    mode: str
    rank: int
    """Sentinels of its mode that were seen before it."""
    place: int
    """Figures before it in the same pass."""
    sentinel: str
    name: str
    """Of the figure."""


class Trace:
    """The points of a record's passes: each is given once, so a look costs what is new. Belongs to one pane.

    Parameters
    ----------
    record
        whose passes; always the same one, and none of them has gone.
    values
        the figures of a pass.
    """

    def __init__(self, record: NetworkRecord, values: Values) -> None:
        self._record, self._values = record, values
        self._seen = 0
        self._curves: set[Curve] = set()

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Those that have a point, in their order."""
        return tuple(sorted(self._curves))

    def take(self) -> dict[Curve, Points]:
        """The points that nobody took."""
        passes, taken = self._record.passes, dict[Curve, Points]()
        new, self._seen = passes.seen - self._seen, passes.seen
        for one in passes[max(0, len(passes) - new) :]:
            if one.mode != "predict":
                self._add(one, taken)
        self._curves.update(taken)
        return taken

    def _add(self, one: PassReport, taken: dict[Curve, Points]) -> None:
        rank = self._record.rank(one.sentinel, one.mode)
        for place, (name, value) in enumerate(self._values(one).items()):
            curve = Curve(one.mode != "train", one.mode, rank, place, one.sentinel, name)
            points = taken.setdefault(curve, {column: [] for column in COLUMNS})
            point = one.epoch, one.elapsed, value, one.samples
            for column, number in zip(COLUMNS, point, strict=True):
                points[column].append(number)
