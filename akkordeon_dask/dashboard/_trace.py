"""Passes as points of curves, followed from one look to the next."""

from collections import Counter, deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from akkordeon_dask.dashboard._record import NetworkRecord, Pass

__all__ = ["COLUMNS", "Curve", "Points", "Trace", "Values"]

COLUMNS = ("epoch", "elapsed", "value", "samples")
"""What is known of a point: number of the pass, seconds since the first pass began, the figure, samples."""
_POINTS = 1000

Values = Callable[[Pass], dict[str, float]]
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
    """The points of a record's passes: each is given once, and forgotten when the record forgets its pass.

    So a look costs what is new, however many passes there were. Belongs to one pane.

    Parameters
    ----------
    record
        whose passes; always the same one.
    values
        the figures of a pass.
    """

    def __init__(self, record: NetworkRecord, values: Values) -> None:
        self._record, self._values = record, values
        self._seen = 0
        self._kept: deque[list[Curve]] = deque()
        """The curves of each pass that the record keeps."""
        self._counts: Counter[Curve] = Counter()

    @property
    def curves(self) -> tuple[Curve, ...]:
        """Those that have a point, in their order."""
        return tuple(sorted(self._counts))

    def length(self, curve: Curve) -> int:
        """How many points, the newest, of a curve are shown."""
        return min(_POINTS, self._counts[curve])

    def take(self) -> dict[Curve, Points]:
        """The points that nobody took, of those that are shown."""
        record, taken = self._record, dict[Curve, Points]()
        new, self._seen = record.passes_seen - self._seen, record.passes_seen
        for one in reversed(list(islice(reversed(record.passes), new))):
            self._kept.append([])
            if one.mode != "predict":
                self._add(one, taken)
        while len(self._kept) > len(record.passes):
            self._forget(self._kept.popleft())
        shown = [curve for curve in taken if curve in self._counts]
        return {curve: {name: column[-_POINTS:] for name, column in taken[curve].items()} for curve in shown}

    def _add(self, one: Pass, taken: dict[Curve, Points]) -> None:
        rank = self._record.rank(one.sentinel, one.mode)
        for place, (name, value) in enumerate(self._values(one).items()):
            curve = Curve(one.mode != "train", one.mode, rank, place, one.sentinel, name)
            self._kept[-1].append(curve)
            self._counts[curve] += 1
            points = taken.setdefault(curve, {column: [] for column in COLUMNS})
            point = one.epoch, one.time - self._record.begun, value, one.samples
            for column, number in zip(COLUMNS, point, strict=True):
                points[column].append(number)

    def _forget(self, curves: list[Curve]) -> None:
        for curve in curves:
            self._counts[curve] -= 1
            if not self._counts[curve]:
                del self._counts[curve]
