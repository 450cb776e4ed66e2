"""Images that are moved, cut out and mirrored at random, as a provider."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from akkordeon_dask._numbers import check_flag, check_int, check_number
from akkordeon_dask.data._augmented_source import AugmentedSource
from akkordeon_dask.data._checked_source import open_source
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

    It runs where the data are loaded. The draws are a pure function of (seed, epoch, place of the batch in the
    epoch): an epoch gives the same batches whenever it is asked for. Labels and dtype stay as they are.

    Parameters
    ----------
    provider
        of images, x : (batch, height, width), (batch, channels, height, width) or flat, any number dtype; or what
        `stream` takes. Which samples it gives and in which order is its own affair.
    shift
        pixels that an image moves at most, up or down and left or right; all distances are equally likely. With
        `shift=4` this is the usual 'pad by 4, crop to the old size'.
    crop
        `(height, width)` of what is cut out, at a random place; None: the whole image.
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
        what cannot be; when opened, or at the first batch of a stream: samples that are no such images, a crop that
        is larger than they are, a shift that leaves nothing of them, a `fill` that their dtype does not have, channels
        that come last.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.augment(data.mnist("train"), shift=2, shape=(28, 28))
    data.augment(data.mnist('train'), shift=2, shape=(28, 28))
    """
    return Augmented(as_provider(provider), shift, crop, flip, shape, fill, seed, channels)


@dataclass(frozen=True, repr=False)
class Augmented(Provider):
    """What `data.augment` makes."""

    provider: Provider
    shift: int = 0
    crop: tuple[int, int] | None = None
    flip: bool = False
    shape: tuple[int, ...] | None = None
    fill: float = 0
    seed: int = 0
    channels: Literal["first"] | None = None

    def __post_init__(self) -> None:
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
            self.image(self.shape)

    def open(self) -> Source:
        return AugmentedSource(self, open_source(self.provider))

    def image(self, sample: tuple[int, ...]) -> tuple[int, int, int]:
        """Channels, height and width of the image that a sample of shape `sample` is.

        Raises
        ------
        DataError
            where it is none, or one that cannot be shifted or cropped so.
        """
        shape = self._unflattened(sample)
        self._check_channels(shape)
        channels, height, width = (1, *shape)[-3:]
        if self.crop is not None and (self.crop[0] > height or self.crop[1] > width):
            raise DataError(
                f"{self!r}: crop={self.crop} is larger than images of {height} x {width}: "
                f"crop to at most ({height}, {width})"
            )
        if self.shift and self.shift >= min(height, width):
            raise DataError(
                f"{self!r}: shift={self.shift} leaves nothing of images of {height} x {width}: "
                f"shift by at most {min(height, width) - 1}"
            )
        return channels, height, width

    def output_shape(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what becomes of a sample of shape `sample`; DataError as `image`."""
        channels, *whole_image = self.image(sample)
        height, width = self.crop or whole_image
        return (*sample[:-2], height, width) if len(sample) > 1 else (channels * height * width,)

    def check_fill(self, dtype: np.dtype[Any]) -> None:
        """DataError where pixels of `dtype` cannot be `fill`."""
        if dtype.kind in "iu":
            least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
            good = self.fill == int(self.fill) and least <= self.fill <= most
        else:
            good = self.fill in (0, 1) if dtype.kind == "b" else abs(self.fill) <= float(np.finfo(dtype).max)
        if not good:
            raise DataError(f"{self!r}: pixels of {dtype} cannot be fill={self.fill!r}: give a number of that dtype")

    def _unflattened(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        if self.shape is None:
            if len(sample) in (2, 3):
                return sample
            side = math.isqrt(math.prod(sample))
            hint = f", e.g. shape=({side}, {side})" if len(sample) == 1 and side**2 == sample[0] else ""
            raise DataError(
                f"{self!r}: samples of shape {sample} are not images of (height, width) or (channels, height, width): "
                f"where they are flat, give their shape{hint}"
            )
        if sample not in (self.shape, (math.prod(self.shape),)):
            raise DataError(
                f"{self!r}: samples of shape {sample} are not images of shape={self.shape}, which have "
                f"{math.prod(self.shape)} pixels where they are flat: give the shape that they have"
            )
        return self.shape

    def _check_channels(self, shape: tuple[int, ...]) -> None:
        if self.channels is None and len(shape) == 3 and shape[2] <= 4 and shape[0] > shape[2]:
            height, width, channels = shape
            also = "" if self.shape is None else f" with shape={(channels, height, width)}"
            raise DataError(
                f"{self!r}: channels come first, and images of {shape} look as if theirs came last: give "
                f'x.reshape(-1, {height}, {width}, {channels}).transpose(0, 3, 1, 2){also}, or say channels="first" '
                "where there are that many"
            )

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
