"""The store of snapshots: one folder per series, two files per snapshot."""

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from akkordeon_dask._files import expand
from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import AkkordeonError, CheckpointError
from akkordeon_dask.snapshots._files import Files
from akkordeon_dask.snapshots._manifest import DamagedError
from akkordeon_dask.snapshots._names import DATA, MANIFEST, Stem, folder_name, series_name
from akkordeon_dask.snapshots._retention import prune, stems
from akkordeon_dask.snapshots._snapshot import GoneError, read, read_manifest, write
from akkordeon_dask.snapshots._tree_format import dress
from akkordeon_dask.tree import Tree

__all__ = ["Saved", "Store"]

logger = logging.getLogger(__name__)

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """A snapshot that was read, complete and intact."""

    series: str
    number: int
    tree: Tree
    facts: dict[str, Any]
    url: str
    """The URL of its manifest."""
    generation: int


class Store:
    """Snapshots of any number of series below a URL. Any thread may use it, and any number of processes at once.

    A snapshot is a safetensors file with a tree's arrays and a manifest in JSON, and is valid once its manifest
    exists. The newest of a series has the highest (generation, number); of equal ones it is the one begun later. Two
    writers of one series never touch each other's unfinished files. An owner that takes a series over saves with a
    higher generation, so later snapshots of its predecessor remain the older ones.

    Parameters
    ----------
    url
        a path, in which `~` is the home folder, or any fsspec URL.
    keep
        snapshots of a series to keep, at least 1. Unfinished files of a dead writer are removed by the
        first save after a quarter of an hour.
    storage_options
        for the file system, as fsspec takes them.

    Raises
    ------
    SpecError
        when `keep` is no such number, or `url` is neither.
    CheckpointError
        when fsspec cannot use the URL.
    """

    def __init__(
        self, url: str | os.PathLike[str], *, keep: int = 3, storage_options: Mapping[str, Any] | None = None
    ) -> None:
        self.url = expand("Store", url)
        self.keep = check_int("a Store's keep", keep, 1)
        # Threads: only added to; two concurrent readers may log the same snapshot twice.
        self._reported: set[str] = set()
        with self._checkpoint_errors("use", "give a path, or a URL that fsspec knows and whose library is installed"):
            self._files = Files(self.url, storage_options or {})

    def __repr__(self) -> str:
        return f"Store({self.url!r}, keep={self.keep})"

    def save(
        self, series: str, tree: Tree, *, number: int, facts: Mapping[str, Any] | None = None, generation: int = 1
    ) -> str:
        """Write a snapshot, wait until it is on the disk, and remove old ones; returns its manifest's URL.

        Parameters
        ----------
        series
            any text.
        tree
            arrays, numbers, text and None in dicts, tuples, lists, named tuples and dataclasses; only read.
        number, generation
            from 0; the order of a series.
        facts
            JSON values to keep with it; tuples come back as lists.

        Raises
        ------
        CheckpointError
            when it cannot be written; older snapshots are unchanged.
        SpecError
            when number or generation is not a whole number from 0.
        """
        number, generation = (
            check_int(f"snapshot of {series!r}: {name}", value, 0)
            for name, value in (("number", number), ("generation", generation))
        )
        folder, stem, kept = folder_name(series), Stem.make(generation, number), _json(series, facts or {})
        with self._checkpoint_errors("write", "make room there or choose another URL; older snapshots are unchanged"):
            try:
                write(self._files, folder, stem, series, tree, kept)
            except BaseException:
                self._remove(folder, stem)
                raise
        self._prune(folder, stem)
        return self._url(folder, stem)

    def load(self, series: str, like: Tree = None) -> Saved | None:
        """The newest snapshot of a series that is complete and intact; None where there is none.

        A damaged one is logged once and skipped.

        Parameters
        ----------
        like
            a tree of the same form, shapes and dtypes: its named tuples and dataclasses are restored. Without it
            they come back as dicts of their fields.

        Raises
        ------
        CheckpointError
            when the store cannot be read, or the snapshot is of another form than `like`.
        """
        with self._checkpoint_errors("read", "check the URL, or move the named file away to use an older one"):
            for _ in range(_ATTEMPTS):
                with contextlib.suppress(GoneError):
                    return next(self._intact(series, like), None)
        raise CheckpointError(f"snapshots of {series!r} in {self.url!r} vanish while they are read: stop their writer")

    def history(self, series: str) -> list[Saved]:
        """All snapshots of a series that are complete and intact, the newest first. Raises as `load` does."""
        with self._checkpoint_errors("read", "check the URL"):
            for _ in range(_ATTEMPTS):
                with contextlib.suppress(GoneError):
                    return list(self._intact(series, None))
        raise CheckpointError(f"snapshots of {series!r} in {self.url!r} vanish while they are read: stop their writer")

    def folders(self, below: str = "") -> list[str]:
        """The names of the folders, and of other files, below the URL. Raises as `numbers` does."""
        with self._checkpoint_errors("read", "check the URL"):
            return self._files.names(below)

    def remove(self, below: str) -> None:
        """Remove a folder below the URL with all that is in it; only logged where that fails."""
        try:
            self._files.remove_folder(below)
        except Exception as error:
            logger.warning("cannot remove %s/%s: %r", self.url, below, error)

    def series(self) -> list[str]:
        """The names of all series that have a manifest, sorted.

        Raises
        ------
        CheckpointError
            when the store cannot be read.
        """
        with self._checkpoint_errors("read", "check the URL"):
            named = (self._named(folder) for folder in self._files.names())
            return sorted(name for name in named if name is not None)

    def numbers(self, series: str) -> list[int]:
        """The numbers of a series' snapshots, the newest last; a number twice where two writers used it.

        Raises
        ------
        CheckpointError
            when the store cannot be read.
        """
        with self._checkpoint_errors("read", "check the URL"):
            return [stem.number for stem in stems(self._files, folder_name(series))]

    def generation(self, series: str) -> int:
        """The highest generation of a series' snapshots; 0 where it has none. Raises as `numbers` does."""
        with self._checkpoint_errors("read", "check the URL"):
            return max((stem.generation for stem in stems(self._files, folder_name(series))), default=0)

    def _intact(self, series: str, like: Tree) -> Iterator[Saved]:
        folder = folder_name(series)
        for stem in reversed(stems(self._files, folder)):
            url = self._url(folder, stem)
            try:
                manifest, tree = read(self._files, folder, stem, series)
            except DamagedError as reason:
                self._report(url, reason)
                continue
            if like is not None:
                tree = _fitted(url, tree, like)
            yield Saved(series, stem.number, tree, manifest.facts, url, stem.generation)

    def _named(self, folder: str) -> str | None:
        """The series of a folder that has a manifest."""
        series = series_name(folder)
        if series is None and "~" not in folder:
            return None
        found: list[Stem] = []
        with contextlib.suppress(NotADirectoryError):  # a foreign file
            found = stems(self._files, folder)
        for stem in reversed(found):
            if series is not None:
                return series
            with contextlib.suppress(DamagedError, GoneError):
                name = read_manifest(self._files, folder, stem).series
                if folder_name(name) == folder:
                    return name
        return None

    def _report(self, url: str, reason: DamagedError) -> None:
        if url not in self._reported:
            self._reported.add(url)
            logger.warning("the snapshot %s is damaged and skipped: %s", url, reason)

    def _remove(self, folder: str, stem: Stem) -> None:
        """Remove the files of a failed write; where even that fails they have no manifest, and are no snapshot."""
        for ending in (MANIFEST, DATA):
            with contextlib.suppress(Exception):
                self._files.remove(folder, f"{stem}{ending}")

    def _prune(self, folder: str, written: Stem) -> None:
        try:
            prune(self._files, folder, self.keep, written)
        except Exception as error:
            # The snapshot is written: old ones beside it do not make it a failure.
            logger.warning("cannot remove old snapshots beside %s: %r", self._url(folder, written), error)

    def _url(self, folder: str, stem: Stem) -> str:
        return f"{self.url.rstrip('/')}/{folder}/{stem}{MANIFEST}"

    @contextlib.contextmanager
    def _checkpoint_errors(self, verb: str, remedy: str) -> Iterator[None]:
        """Errors of any file system become a CheckpointError."""
        try:
            yield
        except (AkkordeonError, GoneError):
            raise
        except Exception as error:
            cause = str(error) or type(error).__name__
            raise CheckpointError(f"cannot {verb} snapshots in {self.url!r}: {cause}: {remedy}") from error


def _fitted(url: str, tree: Tree, like: Tree) -> Tree:
    try:
        return dress(tree, like)
    except CheckpointError as error:
        raise CheckpointError(f"{url!r}: {error}") from error


def _json(series: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(facts)))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"the facts of a snapshot of {series!r} are not JSON ({error}): give numbers, text, lists and dicts"
        ) from error
    return kept
