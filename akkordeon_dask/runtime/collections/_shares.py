"""Who of a group reads what."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from akkordeon_dask.data import Piece

__all__ = ["share_concurrency", "share_pieces"]


def share_pieces(
    pieces: Iterable[Piece], workers: Sequence[str], homes: Mapping[int, Sequence[str]], order: tuple[int, ...] | None
) -> dict[str, tuple[Piece, ...]]:
    """The pieces of each worker: those that it holds; those that nobody holds go where the fewest rows are.

    A worker that holds nothing gets its part from the one that has most: it has joined to help.

    Parameters
    ----------
    homes
        the workers that hold a partition, by partition.
    order
        the seeds of the order in which each worker reads its pieces; None: as they are.
    """
    shares: dict[str, list[Piece]] = {worker: [] for worker in workers}
    homeless = []
    for piece in pieces:
        holders = [worker for worker in homes.get(piece.partition, ()) if worker in shares]
        if holders:
            shares[min(holders, key=lambda worker: _rows(shares[worker]))].append(piece)
        else:
            homeless.append(piece)
    empty = [worker for worker in workers if not shares[worker]]
    for piece in sorted(homeless, key=lambda piece: -piece.left):
        shares[min(workers, key=lambda worker: _rows(shares[worker]))].append(piece)
    most = sum(map(len, shares.values())) // len(workers)
    for worker in empty if homes else ():
        while len(shares[worker]) < most:
            shares[worker].append(shares[max(workers, key=lambda one: len(shares[one]))].pop())
    return {worker: _ordered(own, order, index) for index, (worker, own) in enumerate(shares.items()) if own}


def _rows(pieces: Iterable[Piece]) -> int:
    return sum(piece.left for piece in pieces)


def _ordered(pieces: list[Piece], order: tuple[int, ...] | None, index: int) -> tuple[Piece, ...]:
    pieces.sort(key=lambda piece: piece.partition)
    if order is not None:
        return tuple(pieces[at] for at in np.random.default_rng((*order, index)).permutation(len(pieces)))
    return tuple(pieces)


def share_concurrency(concurrency: int, members: int) -> list[int]:
    """Batches in flight of each member: together as many as the group's, and at least one each."""
    each, more = divmod(concurrency, members)
    return [max(1, each + (index < more)) for index in range(members)]
