"""Arrays in files as a provider: read where the sentinel runs, once for all sentinels of a process."""

import os
import stat
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import fsspec

from akkordeon_dask._files import absolute, expand, is_url
from akkordeon_dask.data._array_source import ArraySource
from akkordeon_dask.data._column_names import ColumnNames
from akkordeon_dask.data._provider import Source
from akkordeon_dask.data._selected import Selected
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["Origin", "Samples", "Stored", "file_name", "read_once"]

_UNCHANGING = frozenset({"name", "size", "type", "mimetype", "url", "partial"})
"""What a file system says of a file that another file in its place may have, too."""
_NAMED = 8
"""Files of a folder that an error names."""
_one_reader = threading.Lock()


class Samples(NamedTuple):
    """All samples of some files."""

    x: Array
    y: Array | None
    columns: ColumnNames = ColumnNames()


class Origin(Protocol):
    """Files, and how they are read: a frozen value."""

    def read(self) -> Samples:
        """All samples."""
        ...

    def __hash__(self) -> int: ...


class Files(Origin, Protocol):
    """Files that a user names."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Their paths or URLs, as `file_name` returns them."""
        ...

    @property
    def call(self) -> tuple[str, list[str]]:
        """The function of `data` that was called, and its arguments as written."""
        ...


@dataclass(frozen=True, repr=False)
class Stored(Selected):
    """The provider over files that a user names."""

    files: Files

    def open(self) -> Source:
        states = tuple(_state(path) for path in self.files.paths)
        x, y, columns = read_once(self.files, None if None in states else states)
        if y is not None and len(x) != len(y):
            raise DataError(f"{self!r}: x has {len(x)} samples, y has {len(y)}: give one row of y for each row of x")
        return ArraySource(self, x, y, columns=columns)

    def _call(self) -> tuple[str, list[str]]:
        function, said = self.files.call
        return function, list(said)


def read_once(origin: Origin, state: Hashable | None) -> Samples:
    """The samples of an origin, read-only: all sentinels of a process share one copy.

    `state` changes with the files, so that those that were replaced are read again; None: nothing tells that they were,
    and they are read each time.
    """
    # Held while files are read, so that sentinels which begin together read them once.
    with _one_reader:
        return _read(origin) if state is None else _kept(origin, state)


@lru_cache(maxsize=4)
def _kept(origin: Origin, state: Hashable) -> Samples:
    return _read(origin)


def _read(origin: Origin) -> Samples:
    samples = origin.read()
    for array in (samples.x, samples.y):
        if array is not None:
            array.flags.writeable = False
    return samples


def file_name(label: str, path: object) -> str:
    """A path or fsspec URL as all workers understand it: a relative path begins in the caller's working directory.

    Raises
    ------
    DataError
        when it is neither.
    """
    return absolute(expand(label, path, error=DataError))


def _state(path: str) -> Hashable | None:
    """A value that changes with the file, or with those of a folder; None: there is none.

    Raises
    ------
    DataError
        when there is no such file on this worker: names those that are there.
    """
    try:
        if is_url(path):
            return _state_in(*fsspec.core.url_to_fs(path))
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            return _state_in(fsspec.filesystem("file"), path)
    except (OSError, ValueError, ImportError) as error:
        raise DataError(f"{path} cannot be read where the sentinel runs ({error}){_beside(path)}") from error
    return found.st_mtime_ns, found.st_size


def _state_in(system: fsspec.AbstractFileSystem, name: str) -> Hashable | None:
    system.invalidate_cache()
    found = system.info(name)
    every = system.find(name, detail=True).values() if found["type"] == "directory" else [found]
    if any(one.keys() <= _UNCHANGING for one in every):
        return None
    return tuple(sorted(map(str, every)))


def _beside(path: str) -> str:
    folder = Path(path).parent
    if is_url(path) or not folder.is_dir():
        return ": copy it there, or give the sentinel a worker that has it, workers=..."
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    said = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f": {folder} has {said or 'no files'}"
