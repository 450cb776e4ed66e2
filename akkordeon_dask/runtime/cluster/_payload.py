"""Actors are created on workers: how their arguments get there.

Dask keeps the arguments of a task on the scheduler, for as long as the task is known, and warns where they are large.
So large ones are sent to the worker before, as data, and released when the actor has been created.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pickle import PickleBuffer
from typing import Any, Generic, TypeAlias, TypeVar

import cloudpickle
import numpy as np
from distributed import Client, Future
from distributed.protocol.pickle import loads
from distributed.utils import offload

from akkordeon_dask import config, memory
from akkordeon_dask._exceptions import format_exception
from akkordeon_dask.errors import AkkordeonError, DeploymentError, SpecError

__all__ = ["ConstructionError", "Payload", "submitted"]

T = TypeVar("T")
_Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]

_LARGE = 1 << 20
"""Bytes from which on a payload is sent before the call."""


class Payload(Generic[T]):
    """A value that was pickled without a copy of its arrays, to be unpickled in the actor's constructor.

    There an error, such as of a module that the worker lacks, is one of the actor; on the way it would break a
    connection.
    """

    def __init__(self, head: bytes, buffers: Iterable[Any], *, received: bool = False) -> None:
        self.head, self.buffers, self._received = head, list(buffers), received

    @classmethod
    def of(cls, value: T) -> "Payload[T]":
        """The arrays in `value` are not copied, and must stay as they are."""
        buffers: list[PickleBuffer] = []
        # Not by Dask's own `dumps`, which logs three tracebacks where it fails.
        return cls(cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append), buffers)

    @property
    def nbytes(self) -> int:
        """Of the pickle and its buffers."""
        return len(self.head) + sum(memoryview(buffer).nbytes for buffer in self.buffers)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _received, (self.head, *map(PickleBuffer, self.buffers))

    def open(self) -> T:
        """The value. Arrays that came from another process lie in memory of their own, on the grid of `memory`."""
        if self._received:
            self.buffers, self._received = list(map(_owned, self.buffers)), False  # the message may go now
        value: T = loads(self.head, buffers=self.buffers)
        return value


def _received(head: bytes, *buffers: Any) -> Payload[Any]:
    return Payload(head, buffers, received=True)


def _owned(buffer: Any) -> Any:
    """Frames of a message begin anywhere; as long as one lives, so does the whole message."""
    copy = memory.copied(np.frombuffer(buffer, np.uint8))
    return copy.data.toreadonly() if memoryview(buffer).readonly else copy


class ConstructionError(Exception):
    """An exception of an actor's constructor, as text: it says whose deed it was, whatever the exception means to Dask.

    A SystemExit would end the worker, a TimeoutError be taken for one of the call, and the class of one of the user's
    may be missing here.
    """


def _construct(kind: Callable[..., Any], key: str, payload: Payload[_Arguments]) -> Any:
    """In a worker's thread for actors."""
    try:
        args, options = payload.open()
        return kind(key, *args, **options)
    except AkkordeonError:
        raise
    except BaseException as error:
        raise ConstructionError(format_exception(error)) from error


@contextlib.asynccontextmanager
async def submitted(
    client: Client, kind: Callable[..., Any], key: str, *args: Any, worker: str, label: str, **options: Any
) -> AsyncIterator[Future[Any]]:
    """Submit an actor to a worker; what makes it there takes its key first. The context lasts until it is created.

    Raises
    ------
    SpecError, or the error of this package that an argument raised when it was pickled
        when the arguments cannot travel.
    DeploymentError
        when they do not arrive.
    """
    payload = await offload(_packed, args, options, label)
    where = {"workers": [worker], "allow_other_workers": False}
    async with contextlib.AsyncExitStack() as stack:
        argument: Payload[_Arguments] | Future[Any] = payload
        if payload.nbytes >= _LARGE:
            argument = await stack.enter_async_context(_sent(client, payload, f"{key}-payload", worker, label))
        future = client.submit(_construct, kind, key, argument, **where, actor=True, pure=False, key=key)
        del payload, argument
        try:
            yield future
        except BaseException:
            future.release()
            raise


def _packed(args: tuple[Any, ...], options: dict[str, Any], label: str) -> Payload[_Arguments]:
    try:
        return Payload.of((args, options))
    except AkkordeonError:
        raise
    except BaseException as error:  # a user's `__reduce__` may raise anything
        raise SpecError(
            f"{label} cannot travel to its worker by pickle: {format_exception(error)}: look at its arguments"
        ) from error


@contextlib.asynccontextmanager
async def _sent(
    client: Client, payload: Payload[_Arguments], key: str, worker: str, label: str
) -> AsyncIterator[Future[Any]]:
    """The payload on the worker, for as long as the context lasts."""
    limit, direct = config.seconds("timeouts.load"), bool(client.direct_to_workers)
    sending = asyncio.ensure_future(
        client.scatter({key: payload}, workers=[worker], direct=direct, timeout=limit, asynchronous=True)
    )
    try:
        async with asyncio.timeout(limit):
            await asyncio.shield(sending)
    except (OSError, KeyError, ValueError) as error:  # a TimeoutError is an OSError
        raise DeploymentError(
            f"the arguments of {label}, {payload.nbytes:,} bytes, did not get to {worker} ({error!r}): is the worker "
            "there, and not paused? See the dashboard, or raise akkordeon.timeouts.load"
        ) from error
    else:
        del payload
        yield sending.result()[key]
    finally:
        # A payload that is late may still arrive: it would stay there as long as the client.
        sending.add_done_callback(_release)


def _release(sending: "asyncio.Future[dict[str, Future[Any]]]") -> None:
    if not sending.cancelled() and sending.exception() is None:
        for future in sending.result().values():
            future.release()
