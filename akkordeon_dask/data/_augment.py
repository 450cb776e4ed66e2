"""Images that are moved, cut out and mirrored at random, as a provider."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from akkordeon_dask._numbers import check_flag, check_int, check_number
from akkordeon_dask.data._augmented_source import AugmentedSource
from akkordeon_dask.data._checked_source import open_source
from akkordeon_dask.data._from_dask import Collections
from akkordeon_dask.data._image_operations import ImageOperations
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.data._stream import as_provider
from akkordeon_dask.data._stream_source import Batches
from akkordeon_dask.errors import DataError

__all__ = ["Augmented", "augment"]


def augment(
    provider: Provider | Batches,
    *,
    shift: int = 0,
    crop: tuple[int, int] | None = None,
    flip: bool = False,
    shape: tuple[int, ...] | None = None,
    fill: float = 0,
    seed: int = 0,
    channels: Literal["first"] | None = None,
) -> Provider:
    """The images of another provider, each one shifted, then cropped, then flipped at random.

    It runs where the data are loaded. The draws are a pure function of (seed, epoch, index of the batch in the
    epoch): an epoch gives the same batches whenever it is asked for. Labels and dtype stay as they are.

    Parameters
    ----------
    provider
        of images, x : (batch, height, width), (batch, channels, height, width) or flat, any number dtype; or what
        `stream` takes. It keeps its own choice and order of samples.
    shift
        pixels that an image moves at most, up or down and left or right; all distances are equally likely. With
        `shift=4` this is the usual 'pad by 4, crop to the old size'.
    crop
        `(height, width)` of a window at a random position; None: the whole image.
    flip
        mirror left and right, with probability one half.
    shape
        `(height, width)` or `(channels, height, width)` of an image where the samples are flat; they stay flat.
    fill
        the pixels that a shift brings in.
    seed
        of the draws; an augmented provider that is augmented again needs another one.
    channels
        channels come first. A shape whose last extent is at most 4 and whose first is larger, `(32, 32, 3)`, is taken
        for an image whose channels come last, and refused; `"first"` says that it is meant.

    Raises
    ------
    DataError
        for options out of range; when opened, or at the first batch of a stream: for samples that are no such images,
        a crop that is larger than they are, a shift that leaves nothing of them, a `fill` that their dtype does not
        have, channels that come last; for a collection of Dask.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.augment(data.mnist("train"), shift=2, shape=(28, 28))
    data.augment(data.mnist('train'), shift=2, shape=(28, 28))
    """
    return Augmented(as_provider(provider), shift, crop, flip, shape, fill, seed, channels)


@dataclass(frozen=True, repr=False)
class Augmented(Provider):
    """The provider that `data.augment` returns."""

    provider: Provider
    shift: int = 0
    crop: tuple[int, int] | None = None
    flip: bool = False
    shape: tuple[int, ...] | None = None
    fill: float = 0
    seed: int = 0
    channels: Literal["first"] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.provider, Collections):
            raise DataError(
                f"augment moves images that one sentinel loads, and {self.provider!r} is computed by Dask, in "
                "partitions: move its images there, x.map_blocks(function)"
            )
        put = object.__setattr__
        put(self, "shift", check_int("shift", self.shift, 0, error=DataError))
        put(self, "flip", check_flag("flip", self.flip, error=DataError))
        put(self, "fill", check_number("fill", self.fill, error=DataError))
        put(self, "seed", check_int("seed", self.seed, 0, error=DataError))
        if self.channels not in (None, "first"):
            raise DataError(f"channels={self.channels!r}: give 'first', or leave it out: channels come first always")
        if self.crop is not None:
            put(self, "crop", _sizes("crop", self.crop, "(height, width)", (2,)))
        if self.shape is not None:
            put(self, "shape", _sizes("shape", self.shape, "(height, width) or (channels, height, width)", (2, 3)))
            self._operations.image(self.shape)

    def open(self) -> Source:
        return AugmentedSource(open_source(self.provider), self._operations, self.seed)

    @property
    def _operations(self) -> ImageOperations:
        return ImageOperations(repr(self), self.shift, self.crop, self.flip, self.shape, self.fill, self.channels)

    def __repr__(self) -> str:
        said = [repr(self.provider)]
        for field in dataclasses.fields(self)[1:]:
            value = getattr(self, field.name)
            if value != field.default:
                said.append(f"{field.name}={value!r}")
        return f"{self.namespace}augment({', '.join(said)})"


def _sizes(name: str, value: Any, form: str, lengths: tuple[int, ...]) -> tuple[int, ...]:
    try:
        sizes = tuple(value)
    except TypeError:
        sizes = ()
    if len(sizes) not in lengths:
        raise DataError(f"{name}={value!r}: give {form}")
    return tuple(check_int(f"{name}={value!r}: a size", size, 1, error=DataError) for size in sizes)
