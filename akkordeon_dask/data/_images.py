"""Providers of images in IDX files: the base of MNIST, Fashion-MNIST and the sample."""

from dataclasses import dataclass
from typing import Any, Protocol

from akkordeon_dask.data._array_source import ArraySource
from akkordeon_dask.data._files import FileSet, find
from akkordeon_dask.data._idx import Readable, read_pair
from akkordeon_dask.data._provider import Source
from akkordeon_dask.data._selected import Selected
from akkordeon_dask.data._stored import Samples, read_once
from akkordeon_dask.errors import DataError

__all__ = ["ARCHIVES", "Files", "Images", "Split", "shuffles"]

ARCHIVES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
"""The names of each split's images and labels."""

_SAMPLES = {"train": 60_000, "test": 10_000}


class Files(Protocol):
    """The origin of files: a frozen value."""

    def remedy(self, path: Readable) -> str:
        """The advice about the bad file at `path`."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, repr=False)
class Split(Selected):
    """A split of a set of 28 x 28 images, with 10 classes."""

    split: str

    def _open(self, images: Readable, labels: Readable, samples: int, files: Files, state: Any = None) -> Source:
        x, y, _ = read_once(_Pair(images, labels, samples, files), state)
        return ArraySource(self, x, y)

    def _shuffles(self) -> bool:
        return self.split == "train"


@dataclass(frozen=True, repr=False)
class Images(Split):
    """The provider that `data.mnist` and `data.fashion_mnist` return."""

    files: FileSet

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rows(_SAMPLES[self.split])

    def open(self) -> Source:
        images, labels = (find(self.files, archive) for archive in ARCHIVES[self.split])
        state = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in (images, labels))
        return self._open(images, labels, _SAMPLES[self.split], self.files, state)

    def _call(self) -> tuple[str, list[str]]:
        return self.files.name.replace("-", "_"), [repr(self.split)]


def shuffles(split: str, shuffle: bool | None) -> bool:
    """`shuffle`, or the default of the split where it is None; DataError for an unknown split."""
    if split not in ARCHIVES:
        raise DataError(f"split={split!r}: give 'train' or 'test'")
    return split == "train" if shuffle is None else shuffle


@dataclass(frozen=True)
class _Pair:
    images: Readable
    labels: Readable
    samples: int
    files: Files

    def read(self) -> Samples:
        """47 MB for 60 000 images."""
        return Samples(*read_pair(self.images, self.labels, self.samples, (28, 28), self.files.remedy))
