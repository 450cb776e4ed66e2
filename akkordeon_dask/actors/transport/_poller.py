"""Threads that wait for sockets."""

import asyncio
import contextlib
import logging
import os
import select
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

__all__ = ["READABLE", "WRITABLE", "Poller"]

logger = logging.getLogger(__name__)

READABLE, WRITABLE = 1, 4
"""Bits of the events of a socket: EPOLLIN and EPOLLOUT."""


class Poller:
    """A thread that waits for sockets. Whoever makes it calls `close`.

    It owns each added socket: closes it when its handler returns False, and at the end. Handlers must not block.

    Parameters
    ----------
    name
        the name of the thread.
    around
        called by the thread with a function that runs the handlers of all ready sockets.
    """

    def __init__(
        self, name: str, around: Callable[[Callable[[], None]], None] = lambda handle_all: handle_all()
    ) -> None:
        self._around = around
        self._epoll = select.epoll()
        self._end = os.eventfd(0)
        self._epoll.register(self._end, READABLE)
        self._sockets: dict[int, tuple[socket.socket, Callable[[int], bool]]] = {}
        """By descriptor. Any thread adds one, only this poller's takes one away."""
        self._lock = threading.Lock()
        self._closing = False
        self._closed = Future[None]()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, connection: socket.socket, handler: Callable[[int], bool]) -> None:
        """Take a socket over: the thread calls `handler(events)` when bytes are there or it is broken. Any thread."""
        with self._lock:
            if self._closing:
                connection.close()
                return
            self._sockets[connection.fileno()] = connection, handler
            self._epoll.register(connection, READABLE)

    def also_writable(self, connection: socket.socket, wanted: bool) -> None:
        """Call the handler also while the socket takes bytes, or no longer. Any thread.

        Raises
        ------
        OSError
            when the socket or the poller is closed.
        """
        try:
            self._epoll.modify(connection, READABLE | WRITABLE if wanted else READABLE)
        except ValueError as error:
            raise OSError("the socket is closed") from error

    async def close(self, timeout: float) -> None:
        """End the thread and close its sockets, once the handlers that run return: at most `timeout` seconds."""
        with self._lock:
            if not self._closing:
                self._closing = True
                os.eventfd_write(self._end, 1)
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._closed)), timeout)
            self._thread.join(timeout)
        except TimeoutError:
            logger.warning("%s did not end within %s s: it is left to end when it can", self._thread.name, timeout)

    def _run(self) -> None:
        while not self._closing:
            ready = [one for one in self._epoll.poll() if one[0] != self._end]
            try:
                self._around(partial(self._handle_all, ready))
            except Exception:
                logger.exception("%s continues after an error", self._thread.name)
        for descriptor, (connection, _) in list(self._sockets.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            self._handle(descriptor, READABLE)  # it learns that this is the end
            connection.close()
        with self._lock:
            self._epoll.close()
            os.close(self._end)
        self._closed.set_result(None)

    def _handle_all(self, ready: list[tuple[int, int]]) -> None:
        for descriptor, events in ready:
            self._handle(descriptor, events)

    def _handle(self, descriptor: int, events: int) -> None:
        connection, handler = self._sockets[descriptor]
        try:
            remains = handler(events)
        except Exception:
            logger.exception("%s closes a connection after an error", self._thread.name)
            remains = False
        if not remains:
            self._epoll.unregister(descriptor)
            del self._sockets[descriptor]
            connection.close()
