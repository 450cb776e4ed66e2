"""The way of a worker's messages to other workers of its host."""

import asyncio
import itertools
import logging
import socket
from collections.abc import Iterator
from typing import Any

from distributed.comm import Comm
from distributed.core import send_recv

from akkordeon_dask import config
from akkordeon_dask.actors.transport._host import host_identity
from akkordeon_dask.actors.transport._listener import Listener, greet
from akkordeon_dask.actors.transport._local import Recipient
from akkordeon_dask.actors.transport._poller import Poller

__all__ = ["LOCAL_OP", "LocalStation", "check_settings"]

logger = logging.getLogger(__name__)

LOCAL_OP = "akkordeon_local"
"""The name of the handler that tells a worker of the same host the way to a socket."""

_SEND_BUFFER = 1 << 20
"""Bytes that a socket may hold, where the system allows it: a message that fits needs no thread to write its rest."""


def check_settings() -> tuple[bool, int]:
    """Whether UNIX sockets may be used, and the threads that read from them, and as many that write.

    Raises
    ------
    SpecError
        a setting has another value than is allowed.
    """
    return config.choice("link.local", ("auto", "never")) == "auto", config.whole("link.threads", 1)


class LocalStation:
    """One for each post office: UNIX sockets of a worker and the threads that read and write them, made when needed.

    On the event loop.
    """

    def __init__(self, address: str, recipient: Recipient) -> None:
        self._address = address
        self._recipient = recipient
        self._host = host_identity()
        self._listener: Listener | None = None
        self._writers: list[Poller] = []
        self._next_writer: Iterator[Poller] = iter(())

    def offer(self, host: Any) -> dict[str, Any] | None:
        """The way to this worker's socket, for a worker of the same host; None for any other."""
        allowed, threads = check_settings()
        if not allowed or self._host is None or not isinstance(host, tuple | list) or tuple(host) != self._host:
            return None
        if self._listener is None:
            try:
                self._listener = Listener(self._recipient, threads)
            except OSError as error:
                logger.info("other workers of this host send to %s over TCP: %s", self._address, error)
                return None
        return {"path": self._listener.path, "secret": self._listener.secret}

    async def ask(self, comm: Comm, peer: str) -> dict[str, Any] | None:
        """The offer of the peer at the other end of a comm; None where only the comm reaches it.

        With TLS only the comm does: it encrypts, and asks for certificates.

        Raises
        ------
        OSError
            when the comm breaks or brings no answer within `timeouts.connect`.
        """
        allowed, _ = check_settings()
        if not (allowed and self._host and self._address.startswith("tcp://") and peer.startswith("tcp://")):
            return None
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            try:
                offer: dict[str, Any] | None = await send_recv(comm, op=LOCAL_OP, host=self._host)
            except OSError:
                raise
            except Exception as error:  # whatever went wrong over there
                logger.info("%s offers no UNIX socket, TCP is used: %s", peer, error)
                return None
        return offer

    async def connect(self, offer: dict[str, Any]) -> socket.socket:
        """A connection to the worker that made an offer. The caller owns it. OSError when there is none."""
        connection = await greet(offer["path"], offer["secret"], self._address)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        return connection

    def writer(self) -> Poller:
        """The poller for one more connection on which this worker sends."""
        if not self._writers:
            _, threads = check_settings()
            self._writers = [Poller(f"akkordeon link writer {n}") for n in range(threads)]
            self._next_writer = itertools.cycle(self._writers)
        return next(self._next_writer)

    async def close(self) -> None:
        """End all threads, close all sockets, remove the folder. They are made again when they are needed again."""
        listener, self._listener = self._listener, None
        pollers, self._writers = self._writers, []
        if listener is not None:
            pollers = [*pollers, *await listener.close()]
        limit = config.seconds("timeouts.close")
        await asyncio.gather(*(poller.close(limit) for poller in pollers))
