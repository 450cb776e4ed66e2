"""Serves the batches of an assignment: partition after partition, with a few of them in memory."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from akkordeon_dask.data._assignments import Assignment, Portion, row_order, takes
from akkordeon_dask.data._provider import Batch, Source
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["AssignedSource", "LostPartitionError", "Partition"]


class LostPartitionError(Exception):
    """A partition is gone for good: nobody can compute it again."""


class Partition(NamedTuple):
    """The rows of a partition in memory."""

    x: Array
    """(rows, ...)"""
    y: Array | None
    """(rows, ...)"""
    weights: Array | None = None
    """One number for each row, float64; None: all weigh 1."""


class _Loaded(NamedTuple):
    rows: Partition
    order: Array


class AssignedSource(Source):
    """The base of sources that read what they are told, pass by pass.

    The sentinel gets an assignment in its turn, before the pass begins; the reader's thread reads it.
    """

    stable = True

    _assignment: Assignment | None = None

    def assign(self, assignment: Assignment) -> None:
        """The next pass reads this."""
        self._assignment = assignment

    @abstractmethod
    def prefetch(self, assignment: Assignment, portion: Portion) -> None:
        """A partition will be asked for soon: it may come in the background."""

    @abstractmethod
    def fetch(self, assignment: Assignment, portion: Portion) -> Partition:
        """A partition, with `portion.rows` rows.

        Raises
        ------
        LostPartitionError
            when it is gone for good.
        DataError
            when it does not fit.
        """

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        """The batches of the assignment, which knows its epoch. Rows of lost partitions are left out."""
        assert self._assignment is not None
        return self._read(self._assignment, batch_size)

    def _read(self, assignment: Assignment, batch_size: int) -> Iterator[Batch]:
        loaded: dict[int, _Loaded | None] = {}
        parts: list[Partition] = []
        for take in takes(assignment, batch_size):
            portion = assignment.portions[take.portion]
            if take.portion not in loaded:
                loaded[take.portion] = self._load(assignment, portion)
                self._announce(assignment, take.portion)
            own = loaded[take.portion]
            if own is not None:
                parts.append(_gathered(own, take.start, take.stop))
            if take.stop == portion.rows:
                loaded[take.portion] = own = None
            if take.ends_batch and parts:
                yield _joined(parts)
                parts = []

    def _load(self, assignment: Assignment, portion: Portion) -> _Loaded | None:
        try:
            rows = self.fetch(assignment, portion)
        except LostPartitionError:
            return None
        if len(rows.x) != portion.rows:
            raise DataError(
                f"partition {portion.partition} has {len(rows.x):,} rows and had {portion.rows:,} before: its "
                "computation is not the same each time. Persist the collection, client.persist(x), or give its random "
                "parts a seed"
            )
        return _Loaded(rows, row_order(assignment, portion))

    def _announce(self, assignment: Assignment, index: int) -> None:
        if assignment.buffer > 1 and index + 1 < len(assignment.portions):
            self.prefetch(assignment, assignment.portions[index + 1])


def _gathered(own: _Loaded, start: int, stop: int) -> Partition:
    index = own.order[start:stop]
    x, y, weights = own.rows
    return Partition(x[index], None if y is None else y[index], None if weights is None else weights[index])


def _joined(parts: list[Partition]) -> Batch:
    x, y, weights = parts[0]
    if len(parts) > 1:
        x = np.concatenate([part.x for part in parts])
        y = None if y is None else np.concatenate([part.y for part in parts if part.y is not None])
        weights = (
            None if weights is None else np.concatenate([part.weights for part in parts if part.weights is not None])
        )
    return (x, y) if weights is None else (x, y, weights)
