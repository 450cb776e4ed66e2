"""Who of a group reads what."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from akkordeon_dask.data import Portion

__all__ = ["share_concurrency", "share_portions"]


def share_portions(
    portions: Iterable[Portion],
    workers: Sequence[str],
    homes: Mapping[int, Sequence[str]],
    order: tuple[int, ...] | None,
) -> dict[str, tuple[Portion, ...]]:
    """The portions of each worker: those that it holds; those that nobody holds go where the fewest rows are.

    A worker that holds nothing gets its part from the one that has most: it has joined to help.

    Parameters
    ----------
    homes
        the workers that hold a partition, by partition.
    order
        the seeds of the order in which each worker reads its portions; None: as they are.
    """
    shares: dict[str, list[Portion]] = {worker: [] for worker in workers}
    homeless = []
    for portion in portions:
        holders = [worker for worker in homes.get(portion.partition, ()) if worker in shares]
        if holders:
            shares[min(holders, key=lambda worker: _rows(shares[worker]))].append(portion)
        else:
            homeless.append(portion)
    empty = [worker for worker in workers if not shares[worker]]
    for portion in sorted(homeless, key=lambda portion: -portion.left):
        shares[min(workers, key=lambda worker: _rows(shares[worker]))].append(portion)
    most = sum(map(len, shares.values())) // len(workers)
    for worker in empty if homes else ():
        while len(shares[worker]) < most:
            shares[worker].append(shares[max(workers, key=lambda one: len(shares[one]))].pop())
    return {worker: _ordered(own, order, index) for index, (worker, own) in enumerate(shares.items()) if own}


def _rows(portions: Iterable[Portion]) -> int:
    return sum(portion.left for portion in portions)


def _ordered(portions: list[Portion], order: tuple[int, ...] | None, index: int) -> tuple[Portion, ...]:
    portions.sort(key=lambda portion: portion.partition)
    if order is not None:
        return tuple(portions[at] for at in np.random.default_rng((*order, index)).permutation(len(portions)))
    return tuple(portions)


def share_concurrency(concurrency: int, members: int) -> list[int]:
    """Batches in flight of each member: together as many as the group's, and at least one each."""
    each, more = divmod(concurrency, members)
    return [max(1, each + (index < more)) for index in range(members)]
