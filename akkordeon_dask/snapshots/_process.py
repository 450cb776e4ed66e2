"""The identity of a process, by which it is known to be gone: on its own host only, and by no clock."""

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Process"]


@dataclass(frozen=True, slots=True)
class Process:
    """A process, as other processes know it."""

    host: str
    program: str
    """The file name of what it runs."""
    pid: int
    started: int | None = None
    """Ticks from the host's start to its own; None: unknown."""
    machine: str | None = None
    """The run of the host's kernel, and the namespace of its process ids; None: unknown."""

    @classmethod
    def present(cls) -> "Process":
        """This process."""
        path = Path(sys.argv[0] if sys.argv and sys.argv[0] else "python")
        program = path.parent if path.name == "__main__.py" else path
        return cls(socket.gethostname(), program.name, os.getpid(), _started(os.getpid()), _machine())

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> "Process":
        """The process with these fields.

        Raises
        ------
        TypeError
            when they are others.
        """
        return cls(**entries)

    @property
    def is_gone(self) -> bool:
        """It has certainly ended. False where that is unknown: it ran on another host, or this one is not Linux."""
        if self.started is None or self.machine is None or self.machine != _machine():
            return False
        return _started(self.pid) != self.started

    @property
    def is_this(self) -> bool:
        """It is the one that asks, whatever its program is called by now."""
        own = Process.present()
        return (self.host, self.pid, self.started, self.machine) == (own.host, own.pid, own.started, own.machine)

    def __str__(self) -> str:
        return f"program {self.program!r} (process {self.pid} on host {self.host!r})"


def _started(pid: int) -> int | None:
    """The start of a process that runs, in ticks after the host's; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program is in parentheses, and may hold any sign.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else int(fields[18])


def _machine() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = os.stat("/proc/self/ns/pid")
    except OSError:
        return None
    return f"{boot}/{namespace.st_dev}:{namespace.st_ino}"
