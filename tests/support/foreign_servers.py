"""Servers on the loopback interface that are no schedulers."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.patience import PATIENCE


def says(text: bytes) -> Callable[[socket.socket], None]:
    """A server that greets whoever connects, and says no more."""
    return lambda there: there.sendall(text)


def web(there: socket.socket) -> None:
    """A web server that takes what comes for a bad request."""
    there.recv(256)
    there.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    there.close()


def silent(there: socket.socket) -> None:
    """A server that takes connections and says nothing."""


def closing(there: socket.socket) -> None:
    """A tunnel without another end."""
    there.close()


@contextmanager
def foreign_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does this with each connection; it ends with the context."""
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                there, _ = listener.accept()
            except OSError:
                return
            connections.append(there)
            there.settimeout(PATIENCE)
            with suppress(OSError):
                serve(there)

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)
            for there in connections:
                there.close()
