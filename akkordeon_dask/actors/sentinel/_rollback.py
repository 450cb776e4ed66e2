"""The position to which a sentinel goes back when its network does."""

from akkordeon_dask.actors._recent import with_recent
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.actors.sentinel._position_snapshots import describe_data
from akkordeon_dask.messages import Rollback
from akkordeon_dask.network import Sentinel

__all__ = ["Rollbacks"]

_CUTS = 9
"""Cuts of which a sentinel knows how many samples it had finished."""


class Rollbacks:
    """The positions to which the orders to go back lead one sentinel, and the last order that it has followed.

    Parameters
    ----------
    name
        the sentinel's.
    last
        the name of the last order, which the sentinel's position accounts for; empty: there was none.
    first
        the position where its first incarnation has started.
    """

    def __init__(self, sentinel: Sentinel, name: str, *, last: str, first: Position) -> None:
        self._sentinel, self._name = sentinel, name
        self._last = last
        self.first = first
        self._at_cuts: dict[str, int] = {}
        """Samples that were finished at the last cuts, by their names. Replaced, never changed."""

    def note_cut(self, cut: str, finished: int) -> None:
        """Note that so many samples were finished at a cut."""
        self._at_cuts = with_recent(self._at_cuts, cut, finished, _CUTS)

    def is_new(self, rollback: Rollback) -> bool:
        """The sentinel's position does not account for this order yet."""
        return rollback.name != self._last

    def follow(self, rollback: Rollback, sent: int = 0) -> Position:
        """The position to which this order leads, which counts as followed from now on.

        Parameters
        ----------
        sent
            samples that this incarnation has sent, finished or not: an endless provider does not give those since the
            cut again, so they count as lost.
        """
        position = self._position_at(rollback)
        if self._sentinel.endless:
            position = position.with_lost(sent - self._at_cuts.get(rollback.cut, 0))
        self._last = rollback.name
        return position

    def _position_at(self, rollback: Rollback) -> Position:
        """Its position in the cut, or its first one where the cut is from before its begin or of other data."""
        saved = rollback.positions.get(self._name, {})
        if saved.get("data") != describe_data(self._sentinel):
            return self.first
        return Position.from_dict(saved["position"])
