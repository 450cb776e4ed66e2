"""The UNIX socket of a worker."""

import asyncio
import hmac
import itertools
import logging
import secrets
import socket
import struct
from collections.abc import Sequence

from distributed.system import MEMORY_LIMIT

from akkordeon_dask import config
from akkordeon_dask.actors.transport._host import check_peer
from akkordeon_dask.actors.transport._local import LocalReceiver, Recipient
from akkordeon_dask.actors.transport._poller import Poller
from akkordeon_dask.actors.transport._socket_folder import SocketFolder

__all__ = ["Listener", "greet"]

logger = logging.getLogger(__name__)

_SECRET = 32
"""Bytes."""
_GREETING = struct.Struct(f"<{_SECRET}sH")
"""The secret, and the number of bytes of the sender's address, which follow."""
_WELCOME = b"\1"


class Listener:
    """Accepts connections of other workers of this host, and hands them to the pollers that read from them.

    On the event loop; whoever makes it calls `close`.
    """

    def __init__(self, recipient: Recipient, threads: int) -> None:
        self.secret = secrets.token_bytes(_SECRET)
        self._recipient = recipient
        self._folder = SocketFolder()
        self.path = self._folder.socket
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.bind(self.path)
            self._socket.listen(128)
        except OSError:
            self._socket.close()
            self._folder.remove()
            raise
        self._readers = [Poller(f"akkordeon link reader {n}", recipient.run_turns) for n in range(threads)]
        self._next = itertools.cycle(self._readers)
        self._tasks = {asyncio.get_running_loop().create_task(self._accept())}

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._socket)
            except OSError as error:  # no descriptor is left, for one
                logger.info("the socket %s accepts nobody for now: %s", self.path, error)
                await asyncio.sleep(config.seconds("link.retry"))
                continue
            task = loop.create_task(self._admit(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _admit(self, connection: socket.socket) -> None:
        try:
            async with asyncio.timeout(config.seconds("timeouts.connect")):
                sender = await self._greeted(connection)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError | ValueError):
                raise
            logger.info("refused a connection to %s: %s", self.path, error or type(error).__name__)
            return
        next(self._next).add(connection, LocalReceiver(connection, sender, self._recipient, MEMORY_LIMIT).handle)

    async def _greeted(self, connection: socket.socket) -> str:
        """The address of the worker on the other side, which has shown the secret."""
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        check_peer(connection)
        secret, length = _GREETING.unpack(await _exactly(connection, _GREETING.size))
        if not hmac.compare_digest(secret, self.secret):
            raise PermissionError("it does not know the secret")
        sender = (await _exactly(connection, length)).decode()
        await loop.sock_sendall(connection, _WELCOME)
        return sender

    async def close(self) -> Sequence[Poller]:
        """Accept nobody any more, and remove the socket; returns the pollers, for the caller to close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()
        self._folder.remove()
        return self._readers


async def greet(path: str, secret: bytes, sender: str) -> socket.socket:
    """A connection to the listener at `path`, which has accepted the secret. The caller owns it.

    Raises
    ------
    OSError
        when there is no such connection within `timeouts.connect`.
    """
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            await loop.sock_connect(connection, path)
            check_peer(connection)
            name = sender.encode()
            await loop.sock_sendall(connection, _GREETING.pack(secret, len(name)) + name)
            await _exactly(connection, len(_WELCOME))
    except BaseException:
        connection.close()
        raise
    return connection


async def _exactly(connection: socket.socket, length: int) -> bytes:
    loop, received = asyncio.get_running_loop(), b""
    while len(received) < length:
        some = await loop.sock_recv(connection, length - len(received))
        if not some:
            raise ConnectionResetError("the other side ended the connection")
        received += some
    return received
