"""Paths and URLs as users write them, and files that are written completely or not at all."""

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from akkordeon_dask.errors import AkkordeonError, SpecError

__all__ = [
    "PART",
    "absolute",
    "create_atomic",
    "expand",
    "is_special",
    "is_url",
    "open_readable",
    "open_writable",
    "read_bytes",
    "write_atomic",
    "write_or_raise",
]

PART = ".part"
"""The suffix of a file that is being written."""

_BLOCK = 1 << 20
"""Bytes of a remote file that are copied at a time."""


def is_url(target: str) -> bool:
    """It is an fsspec URL, `s3://bucket/name`, and no path of this machine."""
    return "://" in target


def expand(label: str, target: object, *, error: type[AkkordeonError] = SpecError) -> str:
    """A path or fsspec URL as text; in a path, `~` and `~user` are the home folder. Every verb begins with this.

    Parameters
    ----------
    label
        names the value in the error: `"report"`.
    target
        text, or an `os.PathLike` of text.
    error
        the class of the error.

    Raises
    ------
    SpecError, or `error`
        when it is neither, is empty, or names the home folder of a user who is not known here.
    """
    text = os.fspath(target) if isinstance(target, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise error(f"{label} takes a path or an fsspec URL, not {target!r:.80}")
    if is_url(text):
        return text
    path = os.path.expanduser(text)
    if path.startswith("~"):
        raise error(f"{label} takes a path, and {text!r} begins with the home of an unknown user: write './{text}'")
    return path


def absolute(target: str) -> str:
    """A path or fsspec URL, as `expand` returns it, that other processes understand too.

    A relative path begins in the working directory of this process, and theirs is another.
    """
    if not is_url(target):
        return os.path.abspath(target)
    if target.partition("://")[0] in ("file", "local"):
        return f"file://{fsspec.core.url_to_fs(target)[1]}"
    return target


def read_bytes(source: str) -> bytes:
    """All of a file, by its path or fsspec URL, as `expand` returns it.

    Raises
    ------
    OSError, ValueError, ImportError
        when it cannot be read.
    """
    if not is_url(source):
        return Path(source).read_bytes()
    with fsspec.open(source, "rb") as file:
        content: bytes = file.read()
    return content


def is_special(path: str | os.PathLike[str]) -> bool:
    """A pipe, socket or device is at a path, which is neither a file nor a folder.

    It is looked at once: others may remove and replace what is there between two looks.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_atomic(target: str | os.PathLike[str], pieces: Iterable[bytes | memoryview]) -> None:
    """Write a file, by its path or fsspec URL, as `expand` returns it.

    A local file is complete and on the disk afterwards, or unchanged; folders are made as needed. The unfinished file
    has a random name of its own. Links are followed, and devices written into. A URL gets all pieces in one request.

    Raises
    ------
    OSError, ValueError, ImportError
        when it cannot be written, or the target is neither.
    """
    text = os.fspath(target)
    if not is_url(text):
        _write_local(Path(text), pieces)
        return
    system, path = fsspec.core.url_to_fs(text)
    if isinstance(system, LocalFileSystem):
        _write_local(Path(path), pieces)
    else:
        system.pipe_file(path, b"".join(pieces))


def _write_local(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    with _replacing(path) as file:
        for piece in pieces:
            file.write(piece)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` when the block ends, and is removed where that raises.

    A symbolic link stays one: the file that it leads to is replaced. A device or pipe is written into.
    """
    if is_special(path):
        with path.open("wb") as file:
            yield file
        return
    path = Path(os.path.realpath(path))
    _make_folder(path.parent)
    unfinished = path.parent / f".{path.name}.{secrets.token_hex(4)}{PART}"
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError, ValueError):
            unfinished.unlink()
        raise
    _sync_folder(path.parent)


def create_atomic(target: str | os.PathLike[str], content: bytes) -> bool:
    """Write a local file, by its path, unless there is one; returns whether it is this one.

    It is there with its content, on the disk, or not at all; only where a file system has no hard links is it written
    in place.

    Raises
    ------
    OSError, ValueError
        when it cannot be written.
    """
    path = Path(target)
    _make_folder(path.parent)
    unfinished = path.parent / f".{path.name}.{secrets.token_hex(4)}{PART}"
    try:
        _write_new(unfinished, content)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
        except OSError:  # no hard links here; where it is another fault this says so
            try:
                _write_new(path, content)
            except FileExistsError:
                return False
    finally:
        with contextlib.suppress(OSError, ValueError):
            unfinished.unlink()
    _sync_folder(path.parent)
    return True


def _write_new(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def open_writable(target: str) -> Iterator[IO[bytes]]:
    """A file to write into, in any order, by its path or fsspec URL, as `expand` returns it.

    It is complete at the target when the block ends, as by `write_atomic`, and removed where the block raises. A URL
    gets its content then, from a temporary file of this machine.

    Raises
    ------
    OSError, ValueError, ImportError
        when it cannot be written.
    """
    system, path = fsspec.core.url_to_fs(target) if is_url(target) else (None, target)
    if system is None or isinstance(system, LocalFileSystem):
        with _replacing(Path(path)) as file:
            yield file
        return
    with tempfile.NamedTemporaryFile() as file:
        yield file
        file.flush()
        system.put_file(file.name, path)


@contextlib.contextmanager
def open_readable(source: str) -> Iterator[IO[bytes]]:
    """A file to read from, in any order, by its path or fsspec URL, as `expand` returns it.

    The content of a URL is copied into a temporary file of this machine first.

    Raises
    ------
    OSError, ValueError, ImportError
        when it cannot be read.
    """
    if not is_url(source):
        with open(source, "rb") as local:
            yield local
        return
    with fsspec.open(source, "rb") as remote, tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(remote, copy, _BLOCK)
        yield copy


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Have the folder's list of names on the disk; Windows has no way to ask for it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_or_raise(target: str, pieces: Iterable[bytes | memoryview], error: type[AkkordeonError]) -> None:
    """Write a file by `write_atomic`, for a verb whose errors are of the class `error`.

    Raises
    ------
    `error`
        when it cannot be written.
    """
    try:
        write_atomic(target, pieces)
    except (OSError, ValueError, ImportError) as reason:
        raise error(f"cannot write {target!r}: {reason}: choose another place, or make room there") from reason
