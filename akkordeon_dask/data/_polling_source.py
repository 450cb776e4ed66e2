"""Serves samples that arrive by and by: a connection is asked again and again, and may be interrupted."""

import threading
import time
from collections.abc import Iterator, Sized
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np

from akkordeon_dask.data._checked_source import BatchChecks
from akkordeon_dask.data._provider import Batch, Source
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["Connection", "PollingSource"]

_POLL = 0.5
"""Seconds for which a connection is asked at once: an interruption waits so long."""


class Connection(Protocol):
    """An open queue, folder or consumer. Used by one thread at a time."""

    origin: str
    """The file, say, that the last samples came from, for the errors; "" where they have no such name."""

    def poll(self, seconds: float) -> object | None:
        """The next samples, `(x, y)` or `(x, y, weights)`, as a batch; None where none came within so many seconds.

        Raises
        ------
        EOFError
            when no more will come.
        DataError
            when it cannot be read.
        """
        ...

    def close(self) -> None:
        """Release it."""
        ...


class PollingSource(Source):
    """Serves the batches of a connection as they come, or cuts them anew.

    Parameters
    ----------
    name
        of the provider, for the errors.
    connection
        closed by this source.
    linger
        seconds after which a batch leaves though it has fewer than `batch_size` samples; None: batches are served as
        they come.
    """

    stable = True
    blocking = True

    def __init__(self, name: str, connection: Connection, linger: float | None) -> None:
        self._name, self._connection, self._linger = name, connection, linger
        self._checks = BatchChecks(copy=True)
        self._waiting: list[Batch] = []
        """Samples that came and were not served; they outlive an epoch."""
        self._interrupted = threading.Event()
        """Set by whoever closes the reader, read by the reader's thread."""

    def batches(self, epoch: int, batch_size: int) -> Iterator[Batch]:
        arrivals = self._arrivals(epoch)
        if self._linger is not None:
            arrivals = self._cut(arrivals, batch_size, self._linger)
        return (batch for batch in arrivals if batch is not None)

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self._connection.close()

    def _arrivals(self, epoch: int) -> Iterator[Batch | None]:
        """Batches as they come, and None where one was waited for in vain."""
        number = 0
        while not self._interrupted.is_set():
            try:
                thing = self._connection.poll(_POLL)
            except EOFError:
                if number == 0:
                    raise DataError(f"{self._name} has ended: epoch {epoch} would have no samples") from None
                return
            if thing is None or _is_empty(thing):
                yield None
                continue
            number += 1
            where = f"{self._name}, epoch {epoch}, {self._connection.origin or f'batch {number}'}"
            batch = self._checks.check(thing, where)
            self.columns = self._checks.names
            yield batch

    def _cut(self, arrivals: Iterator[Batch | None], size: int, linger: float) -> Iterator[Batch]:
        since = time.monotonic()
        for batch in arrivals:
            if batch is not None:
                since = since if self._waiting else time.monotonic()
                self._check_form(batch)
                self._waiting.append(batch)
            while self._count() >= size or (self._waiting and time.monotonic() >= since + linger):
                yield self._take(size)
                since = time.monotonic()
        while self._waiting and not self._interrupted.is_set():
            yield self._take(size)

    def _count(self) -> int:
        return sum(len(x) for x, *_ in self._waiting)

    def _take(self, size: int) -> Batch:
        """The first `size` samples that wait, or all."""
        columns: list[Any] = [_joined(list(parts)) for parts in zip_longest(*self._waiting)]
        first: Any = tuple(None if column is None else column[:size] for column in columns)
        rest: Any = tuple(None if column is None else column[size:] for column in columns)
        self._waiting = [rest] if len(rest[0]) else []
        served: Batch = first
        return served

    def _check_form(self, batch: Batch) -> None:
        """Samples that are cut together have one form."""
        for ours, its in zip_longest(self._waiting[0] if self._waiting else batch, batch):
            forms = ["none" if part is None else str(part.shape[1:]) for part in (ours, its)]
            if len(set(forms)) > 1:
                origin = self._connection.origin and f", {self._connection.origin},"
                raise DataError(
                    f"{self._name}{origin} gave samples of different shapes, {', '.join(sorted(forms))}: give all one "
                    "shape"
                )


def _is_empty(thing: object) -> bool:
    """A batch without samples: nothing is lost with it."""
    parts = [part for part in thing if part is not None] if isinstance(thing, tuple | list) else []
    return bool(parts) and all(isinstance(part, Sized) and len(part) == 0 for part in parts)


def _joined(parts: list[Array | None]) -> Array | None:
    """The parts as one array; None where there are none."""
    whole = [part for part in parts if part is not None]
    if not whole:
        return None
    return whole[0] if len(whole) == 1 else np.concatenate(whole)
