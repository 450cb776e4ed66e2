"""Writing and reading the two files of one snapshot."""

import hashlib
from collections.abc import Iterator
from typing import Any

from akkordeon_dask.snapshots._files import Files
from akkordeon_dask.snapshots._manifest import FORMAT, DamagedError, Manifest, now, open_seal, seal
from akkordeon_dask.snapshots._names import DATA, MANIFEST, Stem
from akkordeon_dask.snapshots._tensors import decode, encode
from akkordeon_dask.snapshots._tree_format import build, describe
from akkordeon_dask.tree import Tree

__all__ = ["GoneError", "read", "read_manifest", "write"]


class GoneError(Exception):
    """A snapshot that was listed is no longer there: its writer has newer ones and removed it."""


def write(files: Files, folder: str, stem: Stem, series: str, tree: Tree, facts: dict[str, Any]) -> None:
    """Write the arrays, and then the manifest, which makes the snapshot valid."""
    arrays, form = describe(tree)
    digest, size = hashlib.sha256(), 0

    def summed() -> Iterator[bytes | memoryview]:
        nonlocal size
        for piece in encode(arrays, FORMAT):
            digest.update(piece)
            size += len(piece)
            yield piece

    data = f"{stem}{DATA}"
    files.write(folder, data, summed())
    whole = data, size, digest.hexdigest()
    manifest = Manifest(series, stem.generation, stem.number, now(), facts, *whole, form)
    files.write(folder, f"{stem}{MANIFEST}", [seal(manifest)])


def read(files: Files, folder: str, stem: Stem, series: str) -> tuple[Manifest, Tree]:
    """A snapshot that is complete and intact.

    Raises
    ------
    DamagedError
        when it is not.
    GoneError
        when it is no longer there.
    """
    manifest = read_manifest(files, folder, stem)
    found = (manifest.series, manifest.generation, manifest.number, manifest.file)
    if found != (wanted := (series, stem.generation, stem.number, f"{stem}{DATA}")):
        raise DamagedError(f"its manifest says {found}, its name {wanted}")
    content = _content(files, folder, stem)
    if len(content) != manifest.bytes:
        raise DamagedError(f"{manifest.file} has {len(content)} bytes, {manifest.bytes} were written")
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise DamagedError(f"{manifest.file} was changed: its SHA-256 is another")
    try:
        return manifest, build(manifest.tree, decode(content))
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # a CheckpointError is a ValueError
        raise DamagedError(f"{manifest.file} is not what its manifest describes ({error!r})") from error


def _content(files: Files, folder: str, stem: Stem) -> bytes:
    try:
        return files.read(folder, f"{stem}{DATA}")
    except FileNotFoundError as error:
        # A removal begins with the manifest.
        if not files.exists(folder, f"{stem}{MANIFEST}"):
            raise GoneError from error
        raise DamagedError(f"{stem}{DATA} is missing") from error


def read_manifest(files: Files, folder: str, stem: Stem) -> Manifest:
    """A snapshot's manifest.

    Raises
    ------
    DamagedError
        when it is not one.
    GoneError
        when it is no longer there.
    """
    try:
        return open_seal(files.read(folder, f"{stem}{MANIFEST}"))
    except FileNotFoundError as error:
        raise GoneError from error
