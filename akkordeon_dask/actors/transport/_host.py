"""Whether two processes can reach each other over a UNIX socket."""

import os
import socket
import struct
import sys
from pathlib import Path

__all__ = ["check_peer", "host_identity"]

_CREDENTIALS = struct.Struct("3i")
"""Process, user and group of a socket's peer."""


def host_identity() -> tuple[str, ...] | None:
    """The machine, its boot, the network namespace and the user of this process; None where a system lacks them.

    Processes of equal identity are on one host and in one network namespace. Their file systems may still differ.
    """
    if sys.platform != "linux":
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.stat("/proc/self/ns/net")
    except OSError:
        return None
    return _machine(), boot, f"{namespace.st_dev}:{namespace.st_ino}", str(os.getuid())


def _machine() -> str:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def check_peer(connection: socket.socket) -> None:
    """Raise PermissionError unless the peer of a UNIX socket is a process of this user."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(raw)
    if user != os.getuid():
        raise PermissionError(f"process {process} belongs to user {user}, this one to user {os.getuid()}")
