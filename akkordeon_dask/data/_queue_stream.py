"""A queue of batches as a provider."""

import inspect
import queue
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.data._polling_source import PollingSource
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.errors import DataError

__all__ = ["QueueStream", "is_queue"]

_FUTURE_SECONDS = 60.0
"""In which a batch that was put as a future has to be there."""
_OF_ONE_PROCESS = frozenset({"queue", "_queue", "multiprocessing.queues"})
"""The modules of Python's queues."""


def is_queue(thing: Any) -> bool:
    """Items are taken from it by `get(timeout=...)`: a `distributed.Queue`, or a queue of Python."""
    kind = type(thing)  # a Delayed has methods of any name
    return callable(getattr(kind, "get", None)) and callable(getattr(kind, "put", None))


@dataclass(frozen=True, repr=False, eq=False)
class QueueStream(Provider):
    """The provider that `data.stream` returns for a queue."""

    queue: Any

    def __post_init__(self) -> None:
        if inspect.iscoroutinefunction(type(self.queue).get):
            raise DataError(
                f"{self!r}: items of an asyncio queue are awaited, and a stream is read in a thread: give a "
                "distributed.Queue, or a function that yields the batches"
            )

    def __getstate__(self) -> dict[str, Any]:
        if type(self.queue).__module__ in _OF_ONE_PROCESS:
            raise DataError(
                f"{self!r}: a queue of one process cannot travel to the worker of its sentinel: give a "
                "distributed.Queue, or a function that makes the batches there"
            )
        return dict(self.__dict__)

    def open(self) -> Source:
        return PollingSource(repr(self), _Connection(repr(self), self.queue), linger=None)

    def __repr__(self) -> str:
        name = getattr(self.queue, "name", None)
        return f"{self.namespace}stream(<{type(self.queue).__name__}{'' if name is None else f' {name!r}'}>)"


class _Connection:
    origin = ""

    def __init__(self, name: str, source: Any) -> None:
        self._name, self._queue = name, source
        self._ended = False

    def poll(self, seconds: float) -> object | None:
        if self._ended:
            raise EOFError
        try:
            item = self._queue.get(timeout=seconds)
        except (queue.Empty, TimeoutError):
            return None
        except Exception as error:
            raise DataError(f"{self._name} cannot be read: {error!r}: is its scheduler still there?") from error
        if item is None:
            self._ended = True
            raise EOFError
        return self._gathered(item)

    def _gathered(self, item: Any) -> object:
        """A future's result: large batches travel from worker to worker, and not through the scheduler."""
        if not callable(getattr(item, "result", None)):
            return item
        try:
            batch: object = item.result(timeout=_FUTURE_SECONDS)
        except Exception as error:
            raise DataError(f"{self._name} holds a future without a result: {error!r}") from error
        return batch

    def close(self) -> None:
        """Nothing: the queue is the user's."""
