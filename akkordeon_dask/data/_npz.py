"""Arrays in a .npz file as a provider."""

import os
import zipfile
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
    y: str | None = "y",
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
        hold real numbers, and are served in their dtypes.
    shuffle, seed, take, shard
        as in `arrays`.

    Raises
    ------
    DataError
        when opened: no such file, no such array, no numbers, lengths that differ.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.npz("/data/mnist.npz", "x_train", "y_train")
    data.npz('/data/mnist.npz', 'x_train', 'y_train')
    """
    return Stored(_Npz(file_name("path", path), x, y), shuffle=shuffle, seed=seed, take=take, shard=shard)


@dataclass(frozen=True)
class _Npz:
    path: str
    x: str
    y: str | None

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
                    x = self._array(content, self.x)
                    return Samples(x, None if self.y is None else self._array(content, self.y))
        except DataError:
            raise
        except (OSError, EOFError, ValueError, ImportError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path} cannot be read as .npz: {error}") from error

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
