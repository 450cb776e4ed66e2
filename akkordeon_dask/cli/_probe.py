"""The question who answers at an address, before a client of Dask's asks: a client may wait there without end."""

import asyncio
import socket
import time
from contextlib import closing
from typing import Any

from distributed.comm import connect, parse_address, parse_host_port
from distributed.core import send_recv

__all__ = ["MUTE", "dask_role", "describe_peer"]

_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_SMALL = 1 << 20
"""Bytes: a server of Dask's first sends the length of its greeting, which is below this."""
_SILENT = "something there takes connections and does not answer"
_STUCK = "a server of Dask's is there and does not go on"
MUTE = (_SILENT, _STUCK)
"""What `describe_peer` says of a server that may be a scheduler without time to answer."""


def dask_role(address: str, limit: float, **connection_args: Any) -> str:
    """`"Scheduler"`, `"Worker"` or another kind of Dask server that answers at an address.

    Parameters
    ----------
    address
        as Dask writes it: `tcp://host:port`.
    limit
        seconds for all of it.
    connection_args
        of `Security.get_connection_args`.

    Raises
    ------
    TimeoutError, OSError
        when nothing answers.
    MemoryError, ValueError, or what else reading a foreign protocol as one of Dask's comes to
        when something else answers.
    """
    return asyncio.run(_dask_role(address, limit, connection_args))


async def _dask_role(address: str, limit: float, connection_args: dict[str, Any]) -> str:
    async with asyncio.timeout(limit):
        comm = await connect(address, timeout=limit, **connection_args)
        try:
            try:
                identity = await send_recv(comm, op="identity", n_workers=0)
            except TypeError:  # others know no `n_workers`
                identity = await send_recv(comm, op="identity")
        finally:
            comm.abort()
    return str(identity.get("type"))


def describe_peer(address: str, limit: float) -> str | None:
    """The server at an address that is none of Dask's, in words; None where all is closed.

    Parameters
    ----------
    limit
        seconds for all of it.

    Raises
    ------
    OSError
        when there is no connection: it says why.
    """
    scheme, location = parse_address(address)
    if scheme not in ("tcp", "tls"):
        return None
    end = time.monotonic() + limit
    try:
        host, port = parse_host_port(location)
    except ValueError:
        return None
    with closing(socket.create_connection((host, port), limit)) as there:
        greeting = _read(there, min(limit / 3, end - time.monotonic()))
        if greeting is None:
            there.sendall(_REQUEST)
            greeting = _read(there, end - time.monotonic())
    return _words(greeting)


def _read(there: socket.socket, limit: float) -> bytes | None:
    """The first bytes; empty where the other side closes, None where nothing comes in time."""
    there.settimeout(max(limit, 0.01))
    try:
        return there.recv(128)
    except TimeoutError:
        return None


def _words(greeting: bytes | None) -> str | None:
    if greeting is None:
        return _SILENT
    if not greeting:  # as a tunnel does whose other end is not there yet
        return None
    line = greeting.split(b"\n")[0].decode("ascii", "backslashreplace").strip()
    if greeting.startswith(b"HTTP/"):
        return f"a web server answers there ({line!r:.60}), which may be a dashboard: a scheduler has a port of its own"
    if greeting.startswith((b"\x15\x03", b"\x16\x03")):
        return "a server that speaks TLS answers there"
    if int.from_bytes(greeting[:8], "little") < _SMALL:
        return _STUCK
    return f"another server answers there, it says {line!r:.60}"
