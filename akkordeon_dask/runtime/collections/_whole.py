"""Collections of Dask that one sentinel reads alone: it validates or tests, by one version of each gate."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from akkordeon_dask.data import AssignedSource, Assignment, Batch, Collections, LostPartitionError, Partition, Portion
from akkordeon_dask.errors import DataError
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.collections._resolve import Partitions, resolve
from akkordeon_dask.runtime.collections._source import AssignedPartitions, DaskSource

__all__ = ["with_partitions"]

_BUFFER = 2
"""Partitions in memory at once: the one that is read, and the next."""


async def with_partitions(session: Session, sentinel: Sentinel) -> Sentinel:
    """The sentinel with the partitions of its collections instead of these; another one as it is.

    Raises
    ------
    DataError
        when the collections do not match, or hold no numbers.
    """
    data = sentinel.provider
    if not isinstance(data, Collections):
        return sentinel
    session.check()
    partitions = await resolve(session.client, data)
    provider = WholePartitions(repr(data), data.labelled, data.columns, partitions, data)
    return replace(sentinel, provider=provider)


@dataclass(frozen=True, repr=False, eq=False)
class WholePartitions(AssignedPartitions):
    """The provider of a sentinel that reads all partitions, one after another."""

    partitions: Partitions | None = None
    origin: Collections | None = None
    """Keeps on the cluster what is persisted, for as long as the client has the sentinel. It does not travel."""

    def open(self) -> AssignedSource:
        return _WholeSource(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "origin": None}


class _WholeSource(DaskSource):
    """Each pass is an assignment of all partitions."""

    def __init__(self, provider: WholePartitions) -> None:
        super().__init__(provider)
        assert provider.partitions is not None
        self._partitions = provider.partitions
        self.samples = sum(self._partitions.rows)
        self.shape, self.dtype = self._partitions.shape, self._partitions.dtype

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        portions = tuple(Portion(number, many) for number, many in enumerate(self._partitions.rows) if many)
        self.assign(Assignment(epoch, portions, 0, _BUFFER, 1, dict(enumerate(self._partitions.parts))))
        return super().batches(epoch, batch_size)

    def fetch(self, assignment: Assignment, portion: Portion) -> Partition:
        try:
            return super().fetch(assignment, portion)
        except LostPartitionError as error:
            raise DataError(
                f"partition {portion.partition} of {self._provider!r} is gone, and Dask cannot compute it again: give "
                "a collection that it can"
            ) from error
