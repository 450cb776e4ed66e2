"""Fetch a data set before it is needed."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from akkordeon_dask.data._files import FileSet, fetch, find_own
from akkordeon_dask.data._mnist import FASHION_MNIST, MNIST
from akkordeon_dask.errors import DataError

__all__ = ["download", "download_set"]

_SETS = {files.name: files for files in (MNIST, FASHION_MNIST)}


def download(name: str, *, progress: bool = True) -> Path:
    """Fetch all files of a set into the user's cache; files there with the right sum are kept.

    Those that the user has in the folder that the environment variable `AKKORDEON_DATA` names are not fetched.

    Parameters
    ----------
    name
        `"mnist"` or `"fashion-mnist"`.
    progress
        show a bar for each file on standard error.

    Returns
    -------
    Path
        the folder with the files, the cache where some are in each.

    Raises
    ------
    DataError
        an unknown name, or a file that no mirror has.
    """
    if name not in _SETS:
        raise DataError(f"there is no data set {name!r}: give one of {', '.join(map(repr, _SETS))}")
    return download_set(_SETS[name], progress=progress)


def download_set(files: FileSet, *, progress: bool) -> Path:
    """As `download`, for any set."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as shown:
        found = [
            find_own(files, archive) or fetch(files, archive, _Bar(shown, f"{files.name}/{archive}"))
            for archive, _ in files.sums
        ]
    folders = {path.parent for path in found}
    return folders.pop() if len(folders) == 1 else files.cache


class _Bar:
    """A bar as pooch's downloaders drive it, drawn by rich; it appears with the first answer of a server."""

    def __init__(self, shown: Progress, title: str) -> None:
        self._shown = shown
        self._title = title
        self._task: TaskID | None = None
        self._total = 0

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return self._total

    @total.setter
    def total(self, value: int) -> None:
        self._total = value
        self.close()
        self._task = self._shown.add_task(self._title, total=value)

    def update(self, amount: int) -> None:
        """`amount` more bytes have come."""
        assert self._task is not None
        self._shown.advance(self._task, amount)

    def reset(self) -> None:
        """Begin again at 0 bytes."""
        assert self._task is not None
        self._shown.reset(self._task)

    def close(self) -> None:
        """No more bytes come; what was drawn stays."""
        if self._task is not None:
            self._shown.stop_task(self._task)
