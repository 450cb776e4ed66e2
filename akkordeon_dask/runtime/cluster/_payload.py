"""Actors are made on workers: how what they are made of gets there.

Dask keeps all that is in a task's call on the scheduler, for as long as the task is known, and warns where it is large.
So what is large is sent to the worker before, as data, and let go of when the actor has been made.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from pickle import PickleBuffer
from typing import Any

import cloudpickle
import numpy as np
from distributed import Client, Future
from distributed.protocol.pickle import loads
from distributed.utils import offload

from akkordeon_dask import config, memory
from akkordeon_dask.errors import AkkordeonError, DeploymentError, SpecError

__all__ = ["Payload", "submitted"]

_LARGE = 1 << 20
"""Bytes from which on a parcel goes ahead of the call."""


class Payload:
    """Something that was pickled without a copy of its arrays, to be unpickled in the actor's constructor.

    There an error, such as of a module that the worker lacks, is one of the actor; on the way it would break a
    connection.
    """

    def __init__(self, head: bytes, buffers: Iterable[Any], *, received: bool = False) -> None:
        self.head, self.buffers, self._received = head, list(buffers), received

    @classmethod
    def of(cls, value: Any) -> "Payload":
        """The arrays in `value` are only looked at, and must stay as they are."""
        buffers: list[PickleBuffer] = []
        # Not by Dask's own `dumps`, which logs three tracebacks where it fails.
        return cls(cloudpickle.dumps(value, protocol=5, buffer_callback=buffers.append), buffers)

    @property
    def nbytes(self) -> int:
        """All that travels."""
        return len(self.head) + sum(memoryview(buffer).nbytes for buffer in self.buffers)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _received, (self.head, *map(PickleBuffer, self.buffers))

    def open(self) -> Any:
        """The value. Arrays that came from another process lie in memory of their own, on the grid of `memory`."""
        if self._received:
            self.buffers, self._received = list(map(_owned, self.buffers)), False  # the message may go now
        return loads(self.head, buffers=self.buffers)


def _received(head: bytes, *buffers: Any) -> Payload:
    return Payload(head, buffers, received=True)


def _owned(buffer: Any) -> Any:
    """Frames of a message begin anywhere; as long as one lives, so does the whole message."""
    copy = memory.copied(np.frombuffer(buffer, np.uint8))
    return copy.data.toreadonly() if memoryview(buffer).readonly else copy


def _construct(kind: Callable[..., Any], key: str, parcel: Payload) -> Any:
    """In a worker's thread for actors."""
    args, options = parcel.open()
    return kind(key, *args, **options)


@contextlib.asynccontextmanager
async def submitted(
    client: Client, kind: type, key: str, *args: Any, worker: str, who: str, **options: Any
) -> AsyncIterator[Future[Any]]:
    """Have an actor made on a worker; its constructor takes its key first. The context lasts until it is made.

    Raises
    ------
    SpecError, or the error of this package that an argument raised when it was pickled
        when the arguments cannot travel.
    DeploymentError
        when they do not arrive.
    """
    parcel = await offload(_packed, args, options, who)
    where = {"workers": [worker], "allow_other_workers": False}
    async with contextlib.AsyncExitStack() as stack:
        what: Payload | Future[Any] = parcel
        if parcel.nbytes >= _LARGE:
            what = await stack.enter_async_context(_sent(client, parcel, f"{key}-parcel", worker, who))
        future = client.submit(_construct, kind, key, what, **where, actor=True, pure=False, key=key)
        del parcel, what
        try:
            yield future
        except BaseException:
            future.release()
            raise


def _packed(args: tuple[Any, ...], options: dict[str, Any], who: str) -> Payload:
    try:
        return Payload.of((args, options))
    except AkkordeonError:
        raise
    except Exception as error:
        raise SpecError(f"{who} cannot travel to its worker by pickle: {error}: look at what it was given") from error


@contextlib.asynccontextmanager
async def _sent(client: Client, parcel: Payload, key: str, worker: str, who: str) -> AsyncIterator[Future[Any]]:
    """The parcel on the worker, for as long as the context lasts."""
    limit, direct = config.seconds("timeouts.load"), bool(client.direct_to_workers)
    sending = asyncio.ensure_future(
        client.scatter({key: parcel}, workers=[worker], direct=direct, timeout=limit, asynchronous=True)
    )
    try:
        async with asyncio.timeout(limit):
            await asyncio.shield(sending)
    except (OSError, KeyError, ValueError) as error:  # a TimeoutError is an OSError
        raise DeploymentError(
            f"what {who} is made of, {parcel.nbytes:,} bytes, did not get to {worker} ({error!r}): is the worker "
            "there, and not paused? See the dashboard, or raise akkordeon.timeouts.load"
        ) from error
    else:
        del parcel
        yield sending.result()[key]
    finally:
        # Who is no longer waited for may still arrive: it would stay there as long as the client.
        sending.add_done_callback(_let_go)


def _let_go(sending: "asyncio.Future[dict[str, Future[Any]]]") -> None:
    if not sending.cancelled() and sending.exception() is None:
        for future in sending.result().values():
            future.release()
