"""Both ends of a connection over a UNIX socket: messages one way, acknowledgements the other."""

import logging
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

from akkordeon_dask.actors.transport._frames import FrameReader, FrameWriter
from akkordeon_dask.actors.transport._poller import Poller
from akkordeon_dask.errors import MessageError
from akkordeon_dask.messages import Message, nbytes

__all__ = ["ACKNOWLEDGE", "LocalReceiver", "LocalSender", "Recipient"]

logger = logging.getLogger(__name__)

ACKNOWLEDGE = 1 << 20
"""Unacknowledged bytes at which the reader of a link acknowledges."""

_READS = 32
"""Reads from one socket before another one is looked at."""

_ACKNOWLEDGEMENT = struct.Struct("<Q")
"""Bytes that were read since the last one."""


class Recipient(Protocol):
    """Takes the messages of links. Any thread calls it."""

    def deliver(self, actor: str, message: Message) -> None:
        """A message for an actor."""

    def refuse(self, sender: str, error: Exception) -> None:
        """What came from `sender` was no message."""

    def run_turns(self, deliver_all: Callable[[], None]) -> None:
        """Call `deliver_all`, which delivers a burst of messages; the thread has time for the turns of their actors."""


class LocalSender:
    """The sending end. One thread at a time; nothing blocks.

    Parameters
    ----------
    connection
        a socket that does not block. It is shut down here, and closed by the poller.
    poller
        waits until a full socket takes bytes again.
    """

    def __init__(self, connection: socket.socket, poller: Poller) -> None:
        self.full = False
        """The poller waits until the socket takes bytes again."""
        self._connection = connection
        self._poller = poller
        self._frames = FrameWriter()
        self._rest: list[Any] = []
        """The part of a message that is not written yet."""

    def write(self, actor: str, message: Message) -> bool:
        """Write a message, or the rest of it where the socket was full before; False when it is full (again).

        Raises
        ------
        MessageError
            when the message has no form on the wire; nothing of it was written.
        OSError
            when the connection is broken.
        """
        buffers = self._rest or self._frames.frame(actor, message)
        try:
            sent = self._connection.sendmsg(buffers)
        except BlockingIOError:
            sent = 0
        self._rest = _after(buffers, sent)
        if self.full != bool(self._rest):
            self.full = not self.full
            self._poller.also_writable(self._connection, self.full)
        return not self.full

    def acknowledged(self) -> int:
        """Bytes that the peer says it has read, since the last time; OSError when the connection is broken."""
        try:
            raw = self._connection.recv(512 * _ACKNOWLEDGEMENT.size)
        except BlockingIOError:
            return 0
        if not raw:
            raise ConnectionResetError("the peer closed the connection")
        if len(raw) % _ACKNOWLEDGEMENT.size:
            raise OSError(f"{len(raw)} bytes are no acknowledgements")
        return sum(read for (read,) in _ACKNOWLEDGEMENT.iter_unpack(raw))

    def shut_down(self) -> None:
        """End the connection; bytes that were written still arrive."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("the connection was broken already")


class LocalReceiver:
    """The receiving end, for the thread of one poller.

    Parameters
    ----------
    sender
        the address of the worker that sends, for log lines.
    bound
        bytes that a frame may have at most.
    """

    def __init__(self, connection: socket.socket, sender: str, recipient: Recipient, bound: int) -> None:
        self._connection = connection
        self._sender = sender
        self._recipient = recipient
        self._frames = FrameReader(bound)
        self._unread = 0

    def handle(self, events: int) -> bool:
        """Deliver the messages that are here; False at the end of the connection."""
        try:
            return self._read()
        except ConnectionError:
            logger.debug("link from %s ended", self._sender)
        except OSError as error:
            logger.warning("ended the link from %s: %s", self._sender, error)
        return False

    def _read(self) -> bool:
        for _ in range(_READS):
            buffers = self._frames.buffers()
            try:
                read = self._connection.recvmsg_into(buffers)[0]
            except BlockingIOError:
                break
            if not read:
                return False
            for received in self._frames.advance(read):
                self._deliver(received)
            if self._unread > ACKNOWLEDGE:
                self._acknowledge()
            if read < sum(map(len, buffers)):
                break
        return True

    def _deliver(self, received: tuple[str, Message] | MessageError) -> None:
        if isinstance(received, MessageError):
            self._recipient.refuse(self._sender, received)
        else:
            self._recipient.deliver(*received)
            self._unread += nbytes(received[1])

    def _acknowledge(self) -> None:
        try:
            self._connection.send(_ACKNOWLEDGEMENT.pack(self._unread))
        except OSError:
            return  # a full socket takes it with the next message; of a broken one, the rest can still be read
        self._unread = 0


def _after(buffers: list[Any], sent: int) -> list[Any]:
    """The bytes behind the first `sent` ones."""
    rest: list[Any] = []
    if sent == sum(map(len, buffers)):
        return rest
    for buffer in buffers:
        if sent < len(buffer):
            rest.append(memoryview(buffer)[sent:])
        sent = max(0, sent - len(buffer))
    return rest
