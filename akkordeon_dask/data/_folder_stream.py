"""A folder that fills with files as a provider."""

import itertools
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from akkordeon_dask._durations import Duration, parse_duration
from akkordeon_dask._files import is_url
from akkordeon_dask.data._polling_source import PollingSource
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.data._stored import file_name
from akkordeon_dask.errors import DataError

__all__ = ["FolderStream", "stream_folder"]

_INTERVAL = 0.1
"""Seconds between two looks into the folder."""


def stream_folder(
    folder: str | os.PathLike[str],
    read: Callable[[str], object],
    *,
    pattern: str = "*",
    done: str | os.PathLike[str] | None = None,
    linger: Duration = 1.0,
) -> Provider:
    """The files of a folder, those that come later too, each read once by a function of yours.

    Files are read in the order of their times. Those whose names begin with a dot are left alone: write under such a
    name, then rename. The stream never ends: give the sentinel `report_every`.

    Parameters
    ----------
    folder
        a path on the worker of the sentinel.
    read
        a function of a file's path that returns its samples, `(x, y)` or `(x, y, weights)`; x : (samples, ...),
        y : (samples, ...) or None, weights : (samples,).
        They are cut into batches of the sentinel's `batch_size`, across the borders of files.
    pattern
        of the names: `"*.npz"`. Folders below are not read.
    done
        a folder to which each file is moved before it is read: several sentinels then share the files, and one that
        begins anew does not read old ones again. Where a file of that name is there already, the new one gets a number.
        None: they stay, and their names are remembered while the sentinel lives.
    linger
        time after which samples leave as a smaller batch where no more have come: `"2s"`, or seconds.

    Raises
    ------
    DataError
        when opened: no such folder; later: what `read` raises, with the file's name.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import data
    >>> def read(path):
    ...     with np.load(path) as file:
    ...         return file["x"], file["y"]
    >>> data.stream_folder("/data/incoming", read, pattern="*.npz", done="/data/done")
    data.stream_folder('/data/incoming', <function read>, pattern='*.npz', done='/data/done')
    """
    if not callable(read):
        raise DataError(f"read={read!r}: give a function of a file's path that returns (x, y)")
    where = file_name("folder", folder), None if done is None else file_name("done", done)
    for path in where:
        if path is not None and is_url(path):
            raise DataError(f"{path!r} is a URL: a stream of files has a folder of the sentinel's machine")
    if not isinstance(pattern, str) or not pattern or "/" in pattern or "**" in pattern:
        raise DataError(
            f'pattern={pattern!r}: give one of names in a folder, "*.npz": folders below have streams of their own'
        )
    if where[0] == where[1]:
        raise DataError(f"done={where[1]!r} is the folder that is read: give another one on the same disk")
    return FolderStream(where[0], read, pattern, where[1], parse_duration("linger", linger, error=DataError))


@dataclass(frozen=True, repr=False)
class FolderStream(Provider):
    """The provider that `data.stream_folder` returns."""

    folder: str
    read: Callable[[str], object]
    pattern: str
    done: str | None
    linger: float

    def open(self) -> Source:
        if not Path(self.folder).is_dir():
            raise DataError(f"{self!r}: there is no folder {self.folder} where the sentinel runs: name its worker")
        if self.done is not None:
            Path(self.done).mkdir(parents=True, exist_ok=True)
            if Path(self.done).samefile(self.folder):  # files that were moved would come again and again
                raise DataError(f"done={self.done!r} is the folder {self.folder} that is read: give another one")
        return PollingSource(repr(self), _Connection(self), self.linger)

    def __repr__(self) -> str:
        said = [repr(self.folder), f"<function {getattr(self.read, '__name__', self.read)}>"]
        said += [] if self.pattern == "*" else [f"pattern={self.pattern!r}"]
        said += [] if self.done is None else [f"done={self.done!r}"]
        said += [] if self.linger == 1.0 else [f"linger={self.linger:g}"]
        return f"{self.namespace}stream_folder({', '.join(said)})"


class _Connection:
    def __init__(self, stream: FolderStream) -> None:
        self.origin = ""
        self._stream = stream
        self._seen: set[str] = set()
        self._found: list[Path] = []

    def poll(self, seconds: float) -> object | None:
        end = time.monotonic() + seconds
        while (path := self._claim()) is None:
            if time.monotonic() >= end:
                return None
            time.sleep(_INTERVAL)
        self.origin = str(path)
        try:
            batch: object = self._stream.read(str(path))
        except Exception as error:
            raise DataError(f"{self._stream!r}: {path} cannot be read: {error!r}") from error
        if batch is None:
            raise DataError(f"{self._stream!r}: its function returned None for {path}: it has to return (x, y)")
        return batch

    def _claim(self) -> Path | None:
        """The next file that nobody has read, where it is by then."""
        self._found = self._found or self._list()
        while self._found:
            path = self._found.pop(0)
            if self._stream.done is None:
                self._seen.add(path.name)
                return path
            done = Path(self._stream.done)
            try:
                return _moved(path, done)
            except OSError as error:
                if isinstance(error, FileNotFoundError) and done.is_dir():  # another sentinel was faster
                    continue
                raise DataError(f"{path} cannot be moved to {done}: {error}") from error
        return None

    def _list(self) -> list[Path]:
        """The new files, oldest first."""
        found: list[tuple[int, str, Path]] = []
        for path in Path(self._stream.folder).glob(self._stream.pattern):
            if path.name.startswith(".") or path.name in self._seen:
                continue
            try:
                found.append((path.stat().st_mtime_ns, path.name, path))
            except FileNotFoundError:
                continue
        return [path for *_, path in sorted(found) if path.is_file()]

    def close(self) -> None:
        """Nothing is held open."""


def _moved(path: Path, folder: Path) -> Path:
    """Move a file into a folder, where no other file of its name is lost, not even one that arrives meanwhile."""
    reserved = _reserve(folder / path.name)
    try:
        return path.replace(reserved)
    except OSError:
        reserved.unlink(missing_ok=True)
        raise


def _reserve(path: Path) -> Path:
    """Make an empty file at the path, or with the first number that is free: `a.npz`, `a-2.npz`."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    for one in itertools.chain([path], numbered):
        with suppress(FileExistsError):
            one.touch(exist_ok=False)
            break
    return one
