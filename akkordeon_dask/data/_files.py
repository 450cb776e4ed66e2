"""The files of a data set: in the user's folder, in the cache, or on a mirror."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch

from akkordeon_dask._files import expand, is_url
from akkordeon_dask.data._idx import Readable
from akkordeon_dask.errors import DataError

__all__ = ["VARIABLE", "FileSet", "fetch", "find", "find_own"]

VARIABLE = "AKKORDEON_DATA"
"""The environment variable that names the folder with the user's own copies."""

_CONNECT, _READ = 10.0, 30.0  # seconds


@dataclass(frozen=True)
class FileSet:
    """A published set of files.

    Parameters
    ----------
    name
        of the set, and of its folder.
    sums
        each archive's name and hash, `"sha256:..."` or `"md5:..."`, of the bytes that the mirrors have.
    mirrors
        URLs of folders, in the order in which they are tried.
    """

    name: str
    sums: tuple[tuple[str, str], ...]
    mirrors: tuple[str, ...]

    @property
    def cache(self) -> Path:
        """The set's folder in the user's cache."""
        return Path(pooch.os_cache("akkordeon_dask")) / self.name

    def remedy(self, path: Readable) -> str:
        """The advice about the bad file at `path`."""
        if isinstance(path, Path) and path.parent != self.cache:
            return f"put a good {path.name} in {path.parent}, or delete it and run again to have it downloaded"
        return "delete it and run again: it is downloaded again"


def find(files: FileSet, archive: str) -> Path:
    """The path of an archive: the user's own copy, else the cached, else downloaded.

    A copy of the user's is taken as it is, under the archive's name, without its `.gz`, or as other programs unpack it:
    `train-images.idx3-ubyte`, or in a folder of its own name.

    Raises
    ------
    DataError
        where it is in neither folder and no mirror has it.
    """
    return _there(_folders(files), archive) or fetch(files, archive)


def find_own(files: FileSet, archive: str) -> Path | None:
    """The user's own copy of an archive, outside the cache; None where there is none."""
    return _there([folder for folder in _folders(files) if folder != files.cache], archive)


def _there(folders: list[Path], archive: str) -> Path | None:
    for folder in folders:
        for name in _names(archive):
            if (folder / name).is_file():
                return folder / name
    return None


def fetch(files: FileSet, archive: str, progress: Any = False) -> Path:
    """Download an archive into the cache, unless it is there with the right sum.

    A download gets its name only when it is complete and its sum is right.

    Parameters
    ----------
    progress
        False, or a progress bar as pooch's downloaders take it.

    Raises
    ------
    DataError
        where no mirror serves the right bytes: quotes each one's answer, and says which files to put where.
    """
    failed = []
    known = dict(files.sums)[archive]
    downloader = pooch.HTTPDownloader(
        # "identity": a server that unpacks the archive on the way would spoil its sum.
        progressbar=progress,
        chunk_size=2**16,
        timeout=(_CONNECT, _READ),
        headers={"Accept-Encoding": "identity"},
    )
    for mirror in files.mirrors:
        try:
            return Path(pooch.retrieve(mirror + archive, known, archive, files.cache, downloader=downloader))
        except (OSError, ValueError) as error:  # requests' errors are OSErrors, a wrong sum is a ValueError
            failed.append(f"{mirror}: {error}")
    raise DataError(_advice(files, archive, failed))


def _names(archive: str) -> tuple[str, ...]:
    plain = archive.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    return archive, plain, dotted, f"{plain}/{plain}", f"{dotted}/{dotted}"


def _folders(files: FileSet) -> list[Path]:
    own = os.environ.get(VARIABLE)
    if not own:
        return [files.cache]
    if is_url(own):
        raise DataError(f"${VARIABLE} is {own!r}, and has to be a folder of this machine: copy the files to one")
    return [Path(expand(f"${VARIABLE}", own, error=DataError)) / files.name, files.cache]


def _advice(files: FileSet, archive: str, failed: list[str]) -> str:
    folders = _folders(files)
    said = " or ".join(str(folder) for folder in folders)
    hint = "" if len(folders) > 1 else f", or in <folder>/{files.name} and set {VARIABLE}=<folder>"
    names = "\n  ".join(name for name, _ in files.sums)
    reasons = "\n  ".join(failed)
    return (
        f"{archive} of {files.name} is not in {said}, and no mirror gave it:\n  {reasons}\n"
        f"Put these files in {said}{hint}:\n  {names}"
    )
