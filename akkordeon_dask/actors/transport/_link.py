"""One-way connections between workers."""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass
from typing import Any

from distributed import Worker
from distributed.comm import Comm, connect
from distributed.protocol import Serialized, register_serialization_family, to_serialize

from akkordeon_dask import config
from akkordeon_dask.messages import LinkMetrics, Message, encode, flat, nbytes, packed
from akkordeon_dask.tree import Array

__all__ = ["LINK_OP", "Link", "LinkStatistics"]

logger = logging.getLogger(__name__)

LINK_OP = "akkordeon_link"
"""The name of the handler that a link opens on the other worker."""

_COALESCE_BYTES, _INLINE, _SHARD = 16 * 1024, 64 * 1024, 64 * 1024 * 1024
"""Bytes: of messages sent together, of an array copied into its message, of an array that Dask would split."""

_BYTES = "akkordeon-bytes"
"""The name of the serialization family for the bytes of an array, which are sent as they are."""


@dataclass(frozen=True, slots=True)
class LinkStatistics:
    """A link at one moment."""

    peer: str
    sent: int
    """Messages that were written."""
    nbytes: int
    """Bytes that were written."""
    unsent: int
    """Bytes that the peer has not acknowledged."""
    lost: int
    """Messages that were dropped because the peer could not be reached or did not read."""
    connects: int
    """How often the connection was made."""


class Link:
    """One kept connection to another worker: ordered, without a reply per message, reconnecting.

    Messages in flight when it breaks are lost; the sentinels resend those batches. The peer acknowledges
    now and then the bytes that it has read; when too many are unread, the link breaks itself.

    Threads: any thread may `send`; everything else runs on the worker's event loop, in the one task that
    `send` starts and `close` ends.
    """

    def __init__(self, worker: Worker, peer: str) -> None:
        self.peer = peer
        self._worker = worker
        self._loop = worker.loop.asyncio_loop  # type: ignore[attr-defined]
        self._queue: deque[tuple[str, Message]] = deque()
        self._awake = asyncio.Event()
        self._scheduled = False
        self._closed = False
        self._comm: Comm | None = None
        self._writer: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._bound = config.nbytes("link.max-unsent")
        self._sent = self._nbytes = self._unsent = self._lost = self._connects = 0

    def send(self, actor: str, message: Message) -> None:
        """Queue a message for an actor of the peer. Any thread; never blocks."""
        self._queue.append((actor, packed(message)))
        if not self._scheduled:
            self._scheduled = True
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._scheduled = False
        if self._writer is None and not self._closed:
            self._writer = asyncio.get_running_loop().create_task(self._write())
        self._awake.set()

    async def _write(self) -> None:
        """The link's task: writes queued messages until the link is closed."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            try:
                await self._flush()
            except OSError as error:
                logger.info("link to %s broke: %s", self.peer, error)
                await self._recover()
            except Exception:
                logger.exception("link to %s could not send", self.peer)
                await self._recover()
            if self._closed:
                return

    async def _flush(self) -> None:
        while self._queue:
            comm = self._comm or await self._connect()
            batch, size = self._next_batch()
            self._unsent += size
            if self._unsent > self._bound:
                raise OSError(f"{self._unsent} bytes are unread by {self.peer}, the bound is {self._bound}")
            await comm.write([_to_wire(actor, message) for actor, message in batch])
            for _ in batch:
                self._queue.popleft()
            self._sent += len(batch)
            self._nbytes += size

    def _next_batch(self) -> tuple[list[tuple[str, Message]], int]:
        """The messages to write together, and their bytes: the oldest one, and small ones behind it."""
        batch: list[tuple[str, Message]] = []
        size = 0
        for index in range(len(self._queue)):  # other threads only add to it
            entry = self._queue[index]
            more = nbytes(entry[1])
            if batch and size + more > _COALESCE_BYTES:
                break
            batch.append(entry)
            size += more
        return batch, size

    async def _connect(self) -> Comm:
        args = self._worker.connection_args
        comm: Comm = await connect(self.peer, timeout=config.seconds("timeouts.connect"), **args)
        comm.name = f"akkordeon link to {self.peer}"
        comm.allow_offload = False  # checking whether it would pay takes longer than everything else
        await comm.write({"op": LINK_OP, "reply": False, "sender": self._worker.address})
        self._comm, self._unsent = comm, 0
        self._connects += 1
        self._reader = asyncio.get_running_loop().create_task(self._read(comm))
        return comm

    async def _read(self, comm: Comm) -> None:
        """Read the peer's acknowledgements until the connection is gone."""
        try:
            while True:
                read = int((await comm.read())["ack"])
                self._unsent -= read
        except (OSError, KeyError, TypeError, ValueError):
            comm.abort()
            if self._comm is comm:
                self._comm = None

    async def _recover(self) -> None:
        self._drop()
        if not self._closed:
            await asyncio.sleep(config.seconds("link.retry"))

    def _drop(self) -> None:
        self._lost += len(self._queue)
        self._queue.clear()
        self.disconnect()

    def disconnect(self) -> None:
        """Break the connection as the network would; the next message reconnects. On the event loop."""
        comm, self._comm = self._comm, None
        if comm is not None:
            comm.abort()

    async def close(self) -> None:
        """Write queued messages, for `link.linger` at most, and end. On the event loop."""
        if self._queue:
            self._wake()
        self._closed = True
        self._awake.set()
        tasks = [task for task in (self._writer, self._reader) if task is not None]
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=config.seconds("link.linger"))
        self.disconnect()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def statistics(self) -> LinkStatistics:
        """Counts at this moment."""
        return LinkStatistics(self.peer, self._sent, self._nbytes, self._unsent, self._lost, self._connects)

    def metrics(self) -> LinkMetrics:
        """The metrics for the heartbeat. Any thread."""
        return LinkMetrics(self.peer, self._nbytes, self._unsent, self._lost)


def _to_wire(actor: str, message: Message) -> dict[str, Any]:
    """The message as the comm takes it: the array beside the rest, copied into it only where it is small."""
    plain = encode(message)
    array = plain.get("array")
    if array is not None:
        plain["array"] = _array_to_wire(array)
    return {"to": actor, "message": plain}


def _array_to_wire(array: Array) -> Any:
    """The array as bare bytes: Dask's own serialization of a small array takes longer than its transfer."""
    plain = flat(array) if array.nbytes <= _SHARD else None
    if plain is None:
        return to_serialize(array)
    data = plain["data"]
    plain["data"] = bytes(data) if array.nbytes <= _INLINE else Serialized({"serializer": _BYTES}, [data])
    return plain


def _bytes(header: dict[str, Any], frames: list[Any]) -> Any:
    return frames[0]


register_serialization_family(_BYTES, None, _bytes)  # by name, in the process that reads it
