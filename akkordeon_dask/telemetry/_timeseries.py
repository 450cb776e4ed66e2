"""Numbers over time, the newest ones."""

from collections.abc import Mapping

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["TimeSeries"]

_SWEEP = 60


class TimeSeries:
    """A table with a row for each moment and a column for each name; the oldest rows are dropped.

    Parameters
    ----------
    capacity
        rows that are kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.rows = 0
        """Rows that were ever appended; the last has the number `rows - 1`."""
        self._times = np.full(capacity, np.nan)
        self._columns: dict[str, Array] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that have a number."""
        return tuple(self._columns)

    def append(self, time: float, values: Mapping[str, float]) -> None:
        """Add a row: seconds since 1970 and its numbers; a column that is not among them gets none."""
        index = self.rows % self.capacity
        self._times[index] = time
        for name in values.keys() - self._columns.keys():
            self._columns[name] = np.full(self.capacity, np.nan, np.float32)
        for name, column in self._columns.items():
            column[index] = values.get(name, np.nan)
        self.rows += 1
        if self.rows % _SWEEP == 0:
            self._columns = {name: column for name, column in self._columns.items() if not np.isnan(column).all()}

    def since(self, row: int) -> tuple[Array, dict[str, Array]]:
        """The rows from number `row` on, of those that are kept: times in seconds, and copies of the columns."""
        first = max(row, self.rows - self.capacity, 0)
        indices = np.arange(first, self.rows) % self.capacity
        return self._times[indices], {name: column[indices] for name, column in self._columns.items()}
