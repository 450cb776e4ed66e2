"""Arrays in a .npz file as a provider."""

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np

from akkordeon_dask.data._numbers import as_numbers
from akkordeon_dask.data._provider import Provider
from akkordeon_dask.data._stored import Samples, Stored, file_name
from akkordeon_dask.errors import DataError
from akkordeon_dask.tree import Array

__all__ = ["npz"]


def npz(
    path: str | os.PathLike[str],
    x: str = "x",
    y: str | Sequence[str] | None = "y",
    *,
    shuffle: bool = True,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """Two arrays of a file that `numpy.savez` wrote, read where the sentinel runs.

    Parameters
    ----------
    path
        a path or fsspec URL.
    x, y
        the names of the arrays: inputs (samples, ...) and labels (samples, ...); `y=None` where there are none. Both
        hold real numbers, and are served in their dtypes. For regression `y=["tip", "fare"]` is a list, one array for
        each output: arrays (samples,) become columns, and wider ones stay as they are, side by side.
    shuffle, seed, take, shard
        as in `arrays`.

    Raises
    ------
    DataError
        when `y` is none of these; when opened: no such file, no such array, no numbers, lengths that differ, a list of
        arrays that do not fit side by side.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.npz("/data/mnist.npz", "x_train", "y_train")
    data.npz('/data/mnist.npz', 'x_train', 'y_train')
    """
    if not (y is None or (isinstance(y, Sequence) and len(y))):
        raise DataError(f"y={y!r}: give the name of an array, a list of some, or None")
    listed = y if y is None or isinstance(y, str) else tuple(y)
    if isinstance(listed, tuple) and len(set(listed)) < len(listed):
        raise DataError(f"y={y!r} has one of them twice: give each once")
    return Stored(_Npz(file_name("path", path), x, listed), shuffle=shuffle, seed=seed, take=take, shard=shard)


@dataclass(frozen=True)
class _Npz:
    path: str
    x: str
    y: str | tuple[str, ...] | None

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def call(self) -> tuple[str, list[str]]:
        return "npz", [repr(self.path), repr(self.x), repr(self.y)]

    def read(self) -> Samples:
        try:
            with fsspec.open(self.path, "rb") as file:
                content = np.load(file, allow_pickle=False)
                if not isinstance(content, np.lib.npyio.NpzFile):
                    raise DataError(f"{self.path} holds one array without a name: write it by numpy.savez(path, x=...)")
                with content:
                    return Samples(self._array(content, self.x), self._targets(content))
        except DataError:
            raise
        except (OSError, EOFError, ValueError, ImportError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{self.path} cannot be read as .npz: {error}") from error

    def _targets(self, content: Any) -> Array | None:
        if self.y is None or isinstance(self.y, str):
            return None if self.y is None else self._array(content, self.y)
        arrays = [self._array(content, name) for name in self.y]
        columns = [array[:, None] if array.ndim == 1 else array for array in arrays]
        try:
            return np.concatenate(columns, axis=1)
        except ValueError as error:
            shapes = ", ".join(f"{name!r} {array.shape}" for name, array in zip(self.y, arrays, strict=True))
            raise DataError(f"{self.path}: {shapes} do not fit side by side: {error}") from error

    def _array(self, content: Any, name: str) -> Array:
        if name not in content.files:
            raise DataError(f"{self.path} has no array {name!r}, but {', '.join(map(repr, content.files))}")
        label = f"{name!r} of {self.path}"
        try:
            value = content[name]
        except ValueError as error:
            raise DataError(
                f"{label} cannot be read ({error}): it holds Python objects if numpy.savez was given something else "
                f'than numbers: write {name}.astype("float32"), of a sparse matrix {name}.toarray()'
            ) from error
        # A copy of its own: its flags are not those of a view.
        return np.array(as_numbers(label, value))
