"""The sample of MNIST that comes with the package."""

from dataclasses import dataclass
from importlib import resources

from akkordeon_dask.data._idx import Readable
from akkordeon_dask.data._images import ARCHIVES, Split, shuffles
from akkordeon_dask.data._provider import Provider, Source

__all__ = ["SAMPLES", "Sample", "mnist_sample"]

SAMPLES = {"train": 10_000, "test": 2_000}
"""The number of samples of each split. `_make_sample.py` chose them."""


@dataclass(frozen=True)
class _Installed:
    """A file of the package: read through importlib, so that the package may lie in an archive."""

    name: str

    def __str__(self) -> str:
        return f"akkordeon_dask/data/_sample/{self.name}"

    def read_bytes(self) -> bytes:
        """The whole content."""
        return (resources.files("akkordeon_dask.data") / "_sample" / self.name).read_bytes()


@dataclass(frozen=True)
class _Package:
    """The files that were installed with the package."""

    def remedy(self, path: Readable) -> str:
        """The advice about the bad file at `path`."""
        return "install akkordeon_dask again"


def mnist_sample(
    split: str,
    *,
    shuffle: bool | None = None,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """A part of MNIST that comes with the package: 10 000 digits to train, 2 000 to test.

    The classes have the shares that they have in the whole; the digits keep its order. Everything else is as in
    `mnist`, and nothing is ever downloaded.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> x, y = next(data.mnist_sample("test").open().batches(1, 64))
    >>> x.shape, x.dtype, y.dtype
    ((64, 784), dtype('uint8'), dtype('int64'))
    """
    return Sample(split, shuffle=shuffles(split, shuffle), seed=seed, take=take, shard=shard)


@dataclass(frozen=True, repr=False)
class Sample(Split):
    """The provider that `data.mnist_sample` returns."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rows(SAMPLES[self.split])

    def open(self) -> Source:
        images, labels = map(_Installed, ARCHIVES[self.split])
        return self._open(images, labels, SAMPLES[self.split], _Package())

    def _call(self) -> tuple[str, list[str]]:
        return "mnist_sample", [repr(self.split)]
