"""Assignments: the parts of partitioned data that one sentinel of a group reads in a pass, and the order of their rows.

The order is a pure function of the assignment: whoever knows how many batches were drawn knows which rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["Assignment", "Portion", "Take", "row_order", "takes", "unread"]


@dataclass(frozen=True, slots=True)
class Portion:
    """The rows of a partition from `start` to `rows`, counted in the order of the epoch."""

    partition: int
    rows: int
    """Of the whole partition."""
    start: int = 0

    @property
    def left(self) -> int:
        """Rows of the portion."""
        return self.rows - self.start


@dataclass(frozen=True, slots=True)
class Assignment:
    """The portions of an epoch that one sentinel reads, each row once, in a single pass."""

    epoch: int
    portions: tuple[Portion, ...]
    seed: int
    buffer: int
    """Partitions that are in memory at once, at most; 0: one after another, with their rows as they are."""
    concurrency: int
    """Batches in flight at once, at most."""
    parts: Mapping[int, Any] = field(default_factory=dict, compare=False)
    """By partition, what the source needs to fetch it."""

    @property
    def rows(self) -> int:
        """Of all portions."""
        return sum(portion.left for portion in self.portions)


class Take(NamedTuple):
    """The next rows of a portion for a batch."""

    portion: int
    """Its index in the assignment."""
    start: int
    stop: int
    ends_batch: bool


def takes(assignment: Assignment, batch_size: int) -> Iterator[Take]:
    """The rows of all batches of an assignment, portion by portion; only the last batch may be smaller.

    A few portions are read at once, the oldest of them fastest, so that one ends and makes room at a time.
    """
    waiting = iter(
        [[index, portion.start, portion.rows] for index, portion in enumerate(assignment.portions) if portion.left]
    )
    dice = np.random.default_rng(
        (assignment.seed, assignment.epoch, *(portion.partition for portion in assignment.portions))
    )
    most = max(1, assignment.buffer - 1)  # one more may be on its way
    pool: list[list[int]] = []
    left, missing = assignment.rows, batch_size
    while left:
        while len(pool) < most and (following := next(waiting, None)) is not None:
            pool.append(following)
        weights = np.arange(len(pool), 0, -1.0)
        for own, many in zip(list(pool), dice.multinomial(missing, weights / weights.sum()), strict=True):
            index, start, end = own
            stop = min(end, start + int(many))
            if stop == start:
                continue
            left, missing, own[1] = left - (stop - start), missing - (stop - start), stop
            yield Take(index, start, stop, not missing or not left)
            missing = missing or batch_size
            if stop == end:
                pool.remove(own)


def unread(assignment: Assignment, batch_size: int, drawn: int) -> tuple[Portion, ...]:
    """The portions of an assignment that are left after its first `drawn` batches."""
    starts = [portion.start for portion in assignment.portions]
    for take in takes(assignment, batch_size) if drawn else ():
        starts[take.portion] = take.stop
        drawn -= take.ends_batch
        if not drawn:
            break
    portions = (replace(portion, start=start) for portion, start in zip(assignment.portions, starts, strict=True))
    return tuple(portion for portion in portions if portion.left)


def row_order(assignment: Assignment, portion: Portion) -> Array:
    """The rows of a partition in the order of the epoch, (rows,) int64: the same for each portion of it."""
    if assignment.buffer == 0:
        return np.arange(portion.rows)
    return np.random.default_rng((assignment.seed, assignment.epoch, portion.partition)).permutation(portion.rows)
