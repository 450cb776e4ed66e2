"""The source of a member of a group: has Dask compute partitions on its worker, or take them there."""

import asyncio
import concurrent.futures
import contextlib
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dask._task_spec import DataNode, GraphNode, Task, TaskRef
from dask.local import get_sync
from distributed import Client, Status, get_worker

from akkordeon_dask import config
from akkordeon_dask.data import (
    AssignedSource,
    Assignment,
    CollectionColumns,
    LostPartitionError,
    Partition,
    Portion,
    Provider,
)
from akkordeon_dask.errors import AkkordeonError, DataError
from akkordeon_dask.runtime.collections._resolve import Part
from akkordeon_dask.runtime.collections._rows import load_partition, release_unused

__all__ = ["AssignedPartitions"]

logger = logging.getLogger(__name__)

_CLOSE = 5.0
"""Seconds for the client to close."""
_FEW = 64
"""Steps that one task may take."""
_INTERVAL = 0.25
"""Seconds between two checks whether Dask has paused the worker."""


@dataclass(frozen=True, repr=False)
class AssignedPartitions(Provider):
    """The provider of a member; its partitions come with its assignments."""

    text: str
    """Of the group's provider."""
    labelled: bool
    columns: CollectionColumns = CollectionColumns()

    def open(self) -> AssignedSource:
        return DaskSource(self)

    def __repr__(self) -> str:
        return self.text


class DaskSource(AssignedSource):
    """Computes partitions by tasks on its own worker, with a client of its own on the worker's event loop.

    The reader's thread asks; that loop alone uses client and futures, and the thread closes them at its end.
    """

    blocking = True

    def __init__(self, provider: AssignedPartitions) -> None:
        self._provider, self.labelled = provider, provider.labelled
        self.columns = provider.columns.names
        self._worker = get_worker()
        self._loop: asyncio.AbstractEventLoop = self._worker.loop.asyncio_loop  # type: ignore[attr-defined]
        self._client: Client | None = None
        self._interrupted = False
        """Set once, by another thread."""
        self._coming: dict[tuple[int, int], concurrent.futures.Future[Partition]] = {}

    def prefetch(self, assignment: Assignment, portion: Portion) -> None:
        key = assignment.epoch, portion.partition
        if self._interrupted:
            raise DataError("the sentinel ends: it takes no more partitions")
        if key not in self._coming:
            self._coming[key] = asyncio.run_coroutine_threadsafe(
                self._compute(assignment.parts[key[1]], key[1]), self._loop
            )

    def fetch(self, assignment: Assignment, portion: Portion) -> Partition:
        self.prefetch(assignment, portion)
        key = assignment.epoch, portion.partition
        try:
            return self._coming[key].result()
        finally:
            self._coming.pop(key, None)

    def interrupt(self) -> None:
        self._interrupted = True
        for one in list(self._coming.values()):
            one.cancel()

    async def _compute(self, part: Part, number: int) -> Partition:
        client, worker = await self._connected(), self._worker
        key = f"akkordeon-partition-{number}-{uuid.uuid4().hex}"
        graph = _in_one_task(key, number, part, self._provider.columns)
        (future,) = client.get(graph, [key], sync=False, workers=[worker.address], allow_other_workers=False)
        try:
            error = await self._error(future, number)
            if future.status == "finished":
                return cast(Partition, worker.data[key])
            raise _failure(client, future, number, error)
        finally:
            future.release()

    async def _error(self, future: Any, number: int) -> BaseException | None:
        """The error of a future, once it is done; meanwhile a paused worker gets its unused memory back.

        Raises
        ------
        DataError
            when it stays paused for `timeouts.load`.
        """
        worker, waiting = self._worker, asyncio.ensure_future(future.exception())
        paused = 0.0
        try:
            while not waiting.done() and paused < config.seconds("timeouts.load"):
                await asyncio.wait({waiting}, timeout=_INTERVAL)
                paused = paused + _INTERVAL if worker.status is Status.paused else 0.0
                if paused:
                    await asyncio.to_thread(release_unused)
            if waiting.done():
                error: BaseException | None = waiting.result()
                return error
        finally:
            waiting.cancel()
        raise DataError(
            f"partition {number}: Dask has paused {worker.address} for {paused:.0f} s, for its memory is full: make "
            "partitions smaller, or shuffle_buffer, or give the worker more memory (--memory-limit)"
        )

    async def _connected(self) -> Client:
        if self._client is None:
            worker = self._worker
            self._client = Client(
                worker.scheduler.address,
                asynchronous=True,
                set_as_default=False,
                security=worker.security,
                name="akkordeon-partitions",
            )
        await self._client
        return self._client

    def close(self) -> None:
        self.interrupt()
        if self._client is not None and self._loop.is_running():
            with contextlib.suppress(TimeoutError, RuntimeError):
                asyncio.run_coroutine_threadsafe(_closed(self._client), self._loop).result(_CLOSE)


def _in_one_task(key: str, number: int, part: Part, columns: CollectionColumns) -> dict[Any, GraphNode]:
    """The graph of a partition under a key, with all small ones' steps as one task.

    Dask pauses a worker between two tasks while memory is short, and the first of them has taken it: reading a file
    takes far more than what is read. Many steps, as of a shuffle, stay tasks: Dask may spill them, and run them side by
    side.
    """
    wanted = (part.x, part.y, part.weights)
    if len(part.graph) > _FEW:
        refs = [None if one is None else TaskRef(one) for one in wanted]
        return {**part.graph, key: Task(key, load_partition, number, *refs, columns)}
    needed = {*wanted, *(one for node in part.graph.values() for one in node.dependencies)} - {None}
    outside = tuple(sorted(needed - set(part.graph), key=str))
    steps = _Steps(number, part.graph, wanted, outside, columns)
    return {key: Task(key, steps, *map(TaskRef, outside))}


@dataclass(frozen=True, slots=True)
class _Steps:
    """Computes a partition in one task, and gives the memory back that it took for that."""

    number: int
    graph: Mapping[Any, GraphNode]
    wanted: tuple[Any, ...]
    """The keys of the inputs, labels and weights; None for what there is not."""
    outside: tuple[Any, ...]
    """Keys whose values are the arguments."""
    columns: CollectionColumns

    def __call__(self, *values: Any) -> Partition:
        try:
            return self._compute(values)
        finally:
            release_unused()

    def _compute(self, values: tuple[Any, ...]) -> Partition:
        given = {key: DataNode(key, value) for key, value in zip(self.outside, values, strict=True)}
        keys = [key for key in self.wanted if key is not None]
        found = iter(get_sync({**self.graph, **given}, keys))
        x, y, weights = (None if key is None else next(found) for key in self.wanted)
        return load_partition(self.number, x, y, weights, self.columns)


async def _closed(client: Client) -> None:
    await client.close()


def _failure(client: Client, future: Any, number: int, error: BaseException | None) -> Exception:
    """The error of a partition that did not come."""
    if future.status == "cancelled" and client.status == "running":  # Dask cannot make what its task needs
        return LostPartitionError(f"partition {number}")
    if future.status == "cancelled":
        return DataError(f"partition {number} cannot be had: the connection to the scheduler is broken")
    if isinstance(error, AkkordeonError):
        return error
    return DataError(f"partition {number} cannot be computed: {error!r}: look at the tasks that make it")
