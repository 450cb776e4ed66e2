"""Any pair of IDX files as a provider."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from akkordeon_dask._files import is_url, read_bytes
from akkordeon_dask.data._idx import Readable, read_idx
from akkordeon_dask.data._provider import Provider
from akkordeon_dask.data._stored import Samples, Stored, file_name
from akkordeon_dask.errors import DataError

__all__ = ["idx"]


def idx(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    shuffle: bool = True,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """A pair of IDX files, plain or gzipped: MNIST's format, also that of EMNIST, KMNIST and QMNIST.

    x : (batch, features), the dtype of the file, each sample's numbers in one row as in `mnist`; y : (batch, ...),
    int64 where the file has whole numbers. The files are read where the sentinel runs.

    Parameters
    ----------
    images, labels
        paths or fsspec URLs. Of EMNIST, images are stored column by column, and the labels of `letters` begin at 1.
    shuffle, seed, take, shard
        as in `arrays`.

    Raises
    ------
    DataError
        when opened: a file that is not there or is damaged, or numbers of images and labels that differ.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.idx("/data/kmnist/train-images-idx3-ubyte.gz", "/data/kmnist/train-labels-idx1-ubyte.gz", take=100)
    data.idx('/data/kmnist/train-images-idx3-ubyte.gz', '/data/kmnist/train-labels-idx1-ubyte.gz', take=100)
    """
    files = _IdxPair(file_name("images", images), file_name("labels", labels))
    return Stored(files, shuffle=shuffle, seed=seed, take=take, shard=shard)


@dataclass(frozen=True)
class _File:
    path: str

    def __str__(self) -> str:
        return self.path

    def read_bytes(self) -> bytes:
        """The whole content."""
        try:
            return read_bytes(self.path)
        except (ValueError, ImportError) as error:
            raise DataError(f"{self.path} cannot be read: {error}") from error


@dataclass(frozen=True)
class _IdxPair:
    images: str
    labels: str

    @property
    def paths(self) -> tuple[str, ...]:
        return self.images, self.labels

    @property
    def call(self) -> tuple[str, list[str]]:
        return "idx", [repr(self.images), repr(self.labels)]

    def read(self) -> Samples:
        x, y = (read_idx(_File(path), _remedy) for path in self.paths)
        return Samples(x.reshape(len(x), -1), y.astype(np.int64) if y.dtype.kind in "iu" else y)


def _remedy(path: Readable) -> str:
    name = Path(str(path)).name
    return f"copy {name} again" + ("" if is_url(str(path)) else " to this machine")
