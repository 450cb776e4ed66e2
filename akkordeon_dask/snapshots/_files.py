"""Files of a folder anywhere: on a local disk, or wherever fsspec goes."""

import contextlib
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from akkordeon_dask._files import create_atomic, is_special, write_atomic

__all__ = ["Files"]

_SETTLED = 1.0
"""Seconds until others see a file that was written to an object store."""


class Files:
    """The files below a URL. Any thread may use it.

    Raises
    ------
    ValueError, ImportError, OSError
        when fsspec does not know the protocol, or its library is not installed.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self._system, root = fsspec.core.url_to_fs(url, **options)
        self._root = root.rstrip("/")
        self._local = isinstance(self._system, LocalFileSystem)

    def names(self, folder: str = "") -> list[str]:
        """The names in a folder; none where it does not exist.

        Raises
        ------
        NotADirectoryError
            when a file has its name.
        """
        path = self._path(folder)
        self._system.invalidate_cache(path)
        try:
            found = self._system.ls(path, detail=False)
        except FileNotFoundError:
            return []
        if [str(name).rstrip("/") for name in found] == [path]:
            raise NotADirectoryError(f"{path!r} is a file, not a folder")
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in found)

    def read(self, folder: str, name: str) -> bytes:
        """The content of a file.

        Raises
        ------
        OSError
            when it is a pipe or a device, whose reader may wait for ever.
        """
        path = self._path(folder, name)
        if self._local and is_special(path):
            raise OSError(f"{path!r} is no regular file")
        content: bytes = self._system.cat_file(path)
        return content

    def exists(self, folder: str, name: str) -> bool:
        """The file exists."""
        self._system.invalidate_cache(self._path(folder))
        return bool(self._system.exists(self._path(folder, name)))

    def write(self, folder: str, name: str, pieces: Iterable[bytes | memoryview]) -> None:
        """Write a file; on a local disk atomically."""
        if self._local:
            write_atomic(self._path(folder, name), pieces)
            return
        if not self._system.isdir(self._path(folder)):
            self._system.makedirs(self._path(folder), exist_ok=True)
        with self._system.open(self._path(folder, name), "wb") as file:
            for piece in pieces:
                file.write(piece)

    def create(self, folder: str, name: str, content: bytes) -> bool:
        """Write a small file, unless there is one; returns whether it is this one.

        Of two who create one at once on a local disk, or wherever its path is one, the first has it, with its content.
        Elsewhere the one whose content is there a second later has it.
        """
        if self._local:
            return create_atomic(self._path(folder, name), content)
        if self.exists(folder, name):
            return False
        self.write(folder, name, [content])
        time.sleep(_SETTLED)
        return self.read(folder, name) == content

    def remove(self, folder: str, name: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._path(folder, name))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder of files, if it exists."""
        with contextlib.suppress(FileNotFoundError):
            self._system.rm(self._path(folder), recursive=True)

    def modified(self, folder: str, name: str) -> datetime | None:
        """The time of the last write, by the clock of the file system; None: unknown."""
        try:
            when: datetime = self._system.modified(self._path(folder, name))
        except (NotImplementedError, FileNotFoundError):
            return None
        return when

    def _path(self, *parts: str) -> str:
        return "/".join([self._root, *filter(None, parts)])
