"""The folder of a UNIX socket."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SocketFolder"]

_PREFIX = "akkordeon-link-"
_SOCKET = "s"
_LONGEST = 107
"""Bytes of a UNIX socket's path."""
_TRIES = 5
"""Folders that are made before it is given up: between its birth and its lock, another process may remove one."""
_REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "fuse")
"""File systems, by the beginnings of their names, that other hosts may share."""


class SocketFolder:
    """A folder for one socket, which no other user can enter. Whoever makes it calls `remove`.

    Its owner holds a lock on it for life: the folder of a killed process has none, and the next process of the same
    user that makes one removes it.

    Raises
    ------
    OSError
        when no folder can be made on a local file system where the path is short enough.
    """

    def __init__(self) -> None:
        refused = []
        for base in dict.fromkeys(_bases()):
            try:
                _sweep(base)
                self.path, self._lock = _make(base)
                return
            except OSError as error:
                refused.append(f"{base}: {error}")
        raise OSError(f"no folder for a socket: {'; '.join(refused)}")

    @property
    def socket(self) -> str:
        """The path of the socket."""
        return str(self.path / _SOCKET)

    def remove(self) -> None:
        """Remove the folder and the socket."""
        _remove(self.path)
        os.close(self._lock)


def _bases() -> Iterator[Path]:
    for base in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}", "/dev/shm", tempfile.gettempdir()):
        if base and os.path.isabs(base) and os.path.isdir(base):
            yield Path(base)


def _make(base: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    if _file_system(base).startswith(_REMOTE):
        raise OSError("this file system is not a local one")
    for _ in range(_TRIES):
        path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
        if len(os.fsencode(path / _SOCKET)) > _LONGEST:
            path.rmdir()
            raise OSError(f"the path of a socket has at most {_LONGEST} bytes")
        lock = _locked(path)
        if lock is not None:
            return path, lock
        _remove(path)
    raise OSError("the lock of a new folder cannot be had")


def _locked(path: Path) -> int | None:
    """A descriptor that holds the lock of our own folder; None where somebody else does, or removed it."""
    import fcntl  # only UNIX has it

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _sweep(base: Path) -> None:
    """Remove this user's folders whose owners are dead."""
    with os.scandir(base) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(_PREFIX)]
    for path in found:
        with contextlib.suppress(OSError):
            seen = path.lstat()
            if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and (lock := _locked(path)) is not None:
                _remove(path)
                os.close(lock)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        (path / _SOCKET).unlink(missing_ok=True)
        path.rmdir()


def _file_system(folder: Path) -> str:
    """The name of the folder's file system, `""` where the system does not tell."""
    device = folder.stat().st_dev
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            mount, _, rest = line.partition(" - ")
            if mount.split()[2] == f"{os.major(device)}:{os.minor(device)}":
                return rest.split()[0]
    return ""
