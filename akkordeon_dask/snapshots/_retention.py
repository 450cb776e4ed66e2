"""Retention: the snapshots in a folder, and the removal of old ones."""

from collections.abc import Iterable
from datetime import timedelta

from akkordeon_dask._files import PART
from akkordeon_dask.snapshots._files import Files
from akkordeon_dask.snapshots._names import DATA, MANIFEST, Stem

__all__ = ["STALE", "prune", "stems"]

STALE = timedelta(minutes=15)
"""A file that belongs to no snapshot and was not written to for this long has lost its writer."""


def stems(files: Files, folder: str) -> list[Stem]:
    """The snapshots of a folder that have a manifest, the newest last."""
    return sorted(_with(MANIFEST, files.names(folder)))


def _with(ending: str, names: Iterable[str]) -> set[Stem]:
    found = (Stem.parse(name.removesuffix(ending)) for name in names if name.endswith(ending))
    return {stem for stem in found if stem is not None}


def prune(files: Files, folder: str, keep: int, written: Stem) -> None:
    """Remove all but the newest `keep` snapshots, and the files of dead writers.

    `written` stays in any case: only this one is known to be complete.
    """
    names = files.names(folder)
    whole = _with(MANIFEST, names) & _with(DATA, names)
    for stem in whole - set(sorted(whole)[-keep:]) - {written}:
        # In this order: a reader that misses the arrays sees that the snapshot was removed, not damaged.
        files.remove(folder, f"{stem}{MANIFEST}")
        files.remove(folder, f"{stem}{DATA}")
    if strays := [name for name in names if _is_stray(name, whole)]:
        now = files.modified(folder, f"{written}{MANIFEST}")
        for name in strays:
            when = files.modified(folder, name)
            if now is not None and when is not None and now - when > STALE:
                files.remove(folder, name)


def _is_stray(name: str, whole: set[Stem]) -> bool:
    """A file of this package that belongs to no snapshot: half of one, or unfinished."""
    stem = Stem.parse(name.lstrip(".").partition(".")[0])
    return stem is not None and (name.endswith(PART) or (stem not in whole and name.endswith((DATA, MANIFEST))))
