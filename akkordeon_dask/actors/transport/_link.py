"""One-way connections between workers."""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from distributed import Worker
from distributed.comm import Comm, connect
from distributed.protocol import Serialized, register_serialization_family, to_serialize

from akkordeon_dask import config
from akkordeon_dask.actors.transport._local import ACKNOWLEDGE, LocalSender
from akkordeon_dask.actors.transport._local_station import LocalStation
from akkordeon_dask.actors.transport._poller import WRITABLE
from akkordeon_dask.errors import MessageError
from akkordeon_dask.messages import LinkMetrics, Message, encode, flat, nbytes, packed
from akkordeon_dask.tree import Array

__all__ = ["LINK_OP", "Link", "LinkStatistics"]

logger = logging.getLogger(__name__)

LINK_OP = "akkordeon_link"
"""The name of the handler that a link opens on the other worker."""

_COALESCE_BYTES, _INLINE, _SHARD = 16 * 1024, 64 * 1024, 64 * 1024 * 1024
"""Bytes: of messages sent together, of an array copied into its message, of an array that Dask would split."""

_LARGE_MESSAGES = 16
"""Messages as large as the largest one that may be unread, whatever `link.max-unsent` is: those of as many credits."""

_REPORTED_AFTER, _LATELY = 3.0, 60.0
"""Seconds: of attempts to connect that fail until it is told, since the last one until it says nothing of today."""

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

    A worker of another host is reached over a Dask comm, one of the same host over a UNIX socket, which the peer
    offers over such a comm.

    Threads: any thread may `send`. Over a comm everything else runs on the worker's event loop, in the one task that
    `send` starts and `close` ends. Over a socket the thread that sends writes as much as the socket takes, and
    the station's writer the rest; the lock says whose turn it is.

    Parameters
    ----------
    unreachable
        called on the event loop, once for each time that the peer cannot be reached, with the text.
    """

    def __init__(
        self,
        worker: Worker,
        peer: str,
        station: LocalStation | None = None,
        unreachable: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.peer = peer
        self._worker = worker
        self._loop = worker.loop.asyncio_loop  # type: ignore[attr-defined]
        self._station = station
        self._queue: deque[tuple[str, Message]] = deque()
        """Messages that are not written, or not completely."""
        self._awake = asyncio.Event()
        self._scheduled = False
        self._closed = False
        self._comm: Comm | None = None
        self._local: LocalSender | None = None
        """Set and read with the lock."""
        self._lock = threading.Lock()
        self._writer: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._bound = config.nbytes("link.max-unsent")
        self._unreachable = unreachable
        self._failing: tuple[float, float, str] | None = None
        """Since when no attempt to connect succeeds, when the last one failed, and why."""
        self._reported = False
        self._largest = 0
        """Bytes of the largest message since the link was empty."""
        self._sent = self._nbytes = self._unsent = self._lost = self._connects = 0

    def send(self, actor: str, message: Message) -> None:
        """Write a message for an actor of the peer, or queue it. Any thread; never blocks."""
        message = packed(message)
        with self._lock:
            empty = not self._queue and self._unsent <= ACKNOWLEDGE  # so much is never acknowledged
            self._largest = max(nbytes(message), 0 if empty else self._largest)
            self._queue.append((actor, message))
            if self._local is not None:
                self._unsent += nbytes(message)
                if not self._local.full or self._unsent > self._limit:
                    self._write_local(self._local)
                return
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
        """Write the queue to the comm, or connect a socket, which takes it over."""
        while self._queue and self._local is None:
            comm = self._comm or await self._connect()
            if comm is None:
                return
            batch, size = self._next_batch()
            self._unsent += size
            self._check_unsent()
            await comm.write([_to_wire(actor, message) for actor, message in batch])
            for _ in batch:
                self._queue.popleft()
            self._sent += len(batch)
            self._nbytes += size

    @property
    def _limit(self) -> int:
        """Unread bytes above which the link breaks itself; an empty one sends anything."""
        return max(self._bound, _LARGE_MESSAGES * self._largest)

    def _check_unsent(self) -> None:
        if self._unsent > self._limit:
            raise OSError(f"{self._unsent} bytes are unread by {self.peer}, the bound is {self._limit}")

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

    async def _connect(self) -> Comm | None:
        """A new comm to the peer; None where a socket reaches it."""
        begun = self._loop.time()
        try:
            comm = await self._try_to_connect()
        except OSError as error:
            self._failed(begun, error)
            raise
        self._failing, self._reported = None, False
        return comm

    def _failed(self, begun: float, error: OSError) -> None:
        """The peer cannot be reached: tell it once, unless it is only that its worker ends."""
        now, since = self._loop.time(), begun if self._failing is None else self._failing[0]
        self._failing = since, now, str(error) or type(error).__name__
        if not self._reported and now - since >= min(_REPORTED_AFTER, config.seconds("timeouts.connect")):
            self._reported = True
            text = (
                f"worker {self._worker.address} cannot connect to worker {self.peer} since {now - since:.0f} s: "
                f"{error}. Let the port through, or give the worker a --contact-address that others reach"
            )
            logger.warning(text)
            self._unreachable(text)

    async def _try_to_connect(self) -> Comm | None:
        args = self._worker.connection_args
        comm: Comm = await connect(self.peer, timeout=config.seconds("timeouts.connect"), **args)
        try:
            if await self._connect_local(comm):
                comm.abort()
                return None
            comm.name = f"akkordeon link to {self.peer}"
            comm.allow_offload = False  # checking whether it would pay takes longer than everything else
            await comm.write({"op": LINK_OP, "reply": False, "sender": self._worker.address})
        except BaseException:
            comm.abort()
            raise
        self._comm, self._unsent = comm, 0
        self._connects += 1
        self._reader = asyncio.get_running_loop().create_task(self._read(comm))
        return comm

    async def _connect_local(self, comm: Comm) -> bool:
        """Whether a socket reaches the peer, which is asked over the comm."""
        station = self._station
        offer = None if station is None else await station.ask(comm, self.peer)
        if station is None or offer is None:
            return False
        try:
            connection = await station.connect(offer)
        except Exception as error:  # also of an offer that is none
            why = str(error) or type(error).__name__
            logger.info("link to %s uses TCP, for its UNIX socket cannot be used: %s", self.peer, why)
            self._station = None
            return False
        poller = station.writer()
        local = LocalSender(connection, poller)
        with self._lock:
            self._local, self._unsent = local, sum(nbytes(message) for _, message in self._queue)
            self._connects += 1
            poller.add(connection, partial(self._ready, local))
            self._write_local(local)
        return True

    def _ready(self, local: LocalSender, events: int) -> bool:
        """The socket has news, or takes bytes again; False when this link has done with it. The writer's thread."""
        with self._lock:
            if self._local is local:
                try:
                    if events & ~WRITABLE:
                        self._unsent -= local.acknowledged()
                    if events & WRITABLE:
                        self._write_local(local)
                except OSError as error:
                    self._broke(local, error)
            return self._local is local

    def _write_local(self, local: LocalSender) -> None:
        """Write queued messages until the socket is full. With the lock."""
        try:
            self._check_unsent()
            while self._queue and self._write_one(local):
                pass
        except OSError as error:
            self._broke(local, error)

    def _write_one(self, local: LocalSender) -> bool:
        actor, message = self._queue[0]
        try:
            if not local.write(actor, message):
                return False
            self._sent += 1
            self._nbytes += nbytes(message)
        except MessageError:
            logger.exception("link to %s could not send", self.peer)
            self._lost += 1
            self._unsent -= nbytes(message)
        self._queue.popleft()
        return True

    def _broke(self, local: LocalSender, error: OSError) -> None:
        """The next message connects again. With the lock."""
        if self._queue or not isinstance(error, ConnectionError):  # an idle one may end
            logger.info("link to %s broke: %s", self.peer, error)
        self._lose_queue()
        self._local = None
        local.shut_down()

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
        self._lose_queue()
        self.disconnect()
        if not self._closed:
            await asyncio.sleep(config.seconds("link.retry"))

    def _lose_queue(self) -> None:
        self._lost += len(self._queue)
        self._queue.clear()

    def disconnect(self) -> None:
        """Break the connection as the network would; the next message reconnects. On the event loop."""
        comm, self._comm = self._comm, None
        if comm is not None:
            comm.abort()
        with self._lock:
            if self._local is not None:
                self._broke(self._local, ConnectionAbortedError("it was disconnected"))

    async def close(self) -> None:
        """Write queued messages, for `link.linger` at most, and end. On the event loop."""
        if self._queue and self._local is None:
            self._wake()
        self._closed = True
        self._awake.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(config.seconds("link.linger")):
                await self._written()
        tasks = [task for task in (self._writer, self._reader) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.disconnect()

    async def _written(self) -> None:
        """Wait until the task has ended, and the station's writer has written the rest."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        while self._queue and self._local is not None:  # noqa: ASYNC110 - a thread that must be quick tells nobody
            await asyncio.sleep(0.002)

    def statistics(self) -> LinkStatistics:
        """Counts at this moment."""
        return LinkStatistics(self.peer, self._sent, self._nbytes, self._unsent, self._lost, self._connects)

    def metrics(self) -> LinkMetrics:
        """The metrics for the heartbeat. Any thread."""
        now, failing = self._loop.time(), self._failing
        if failing is None or now - failing[1] > _LATELY:
            return LinkMetrics(self.peer, self._nbytes, self._unsent, self._lost)
        return LinkMetrics(self.peer, self._nbytes, self._unsent, self._lost, failing[1] - failing[0], failing[2])


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
