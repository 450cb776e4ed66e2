"""Leases: the parts of partitioned data that one sentinel of a group reads in a pass, and the order of their rows.

The order is a pure function of the lease: whoever knows how many batches were drawn knows which rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["Lease", "Piece", "Take", "row_order", "takes", "unread"]


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of a partition from `start` to `rows`, counted in the order of the epoch."""

    partition: int
    rows: int
    """Of the whole partition."""
    start: int = 0

    @property
    def left(self) -> int:
        """Rows of the piece."""
        return self.rows - self.start


@dataclass(frozen=True, slots=True)
class Lease:
    """The pieces of an epoch that one sentinel reads, each row once, in a single pass."""

    epoch: int
    pieces: tuple[Piece, ...]
    seed: int
    buffer: int
    """Partitions that are in memory at once, at most; 0: one after another, with their rows as they are."""
    concurrency: int
    """Batches in flight at once, at most."""
    parts: Mapping[int, Any] = field(default_factory=dict, compare=False)
    """By partition, what the source needs to fetch it."""

    @property
    def rows(self) -> int:
        """Of all pieces."""
        return sum(piece.left for piece in self.pieces)


class Take(NamedTuple):
    """The next rows of a piece for a batch."""

    piece: int
    """Its index in the lease."""
    start: int
    stop: int
    ends_batch: bool


def takes(lease: Lease, batch_size: int) -> Iterator[Take]:
    """The rows of all batches of a lease, piece by piece; only the last batch may be smaller.

    A few pieces are read at once, the oldest of them fastest, so that one ends and makes room at a time.
    """
    waiting = iter([[index, piece.start, piece.rows] for index, piece in enumerate(lease.pieces) if piece.left])
    dice = np.random.default_rng((lease.seed, lease.epoch, *(piece.partition for piece in lease.pieces)))
    most = max(1, lease.buffer - 1)  # one more may be on its way
    pool: list[list[int]] = []
    left, missing = lease.rows, batch_size
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


def unread(lease: Lease, batch_size: int, drawn: int) -> tuple[Piece, ...]:
    """The pieces of a lease that are left after its first `drawn` batches."""
    starts = [piece.start for piece in lease.pieces]
    for take in takes(lease, batch_size) if drawn else ():
        starts[take.piece] = take.stop
        drawn -= take.ends_batch
        if not drawn:
            break
    pieces = (replace(piece, start=start) for piece, start in zip(lease.pieces, starts, strict=True))
    return tuple(piece for piece in pieces if piece.left)


def row_order(lease: Lease, piece: Piece) -> Array:
    """The rows of a partition in the order of the epoch, (rows,) int64: the same for each piece of it."""
    if lease.buffer == 0:
        return np.arange(piece.rows)
    return np.random.default_rng((lease.seed, lease.epoch, piece.partition)).permutation(piece.rows)
