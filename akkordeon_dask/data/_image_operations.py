"""The operations of an augmented provider, and the images that they can work on."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from akkordeon_dask.errors import DataError

__all__ = ["ImageOperations"]


@dataclass(frozen=True)
class ImageOperations:
    """Shift, crop and flip, as `data.augment` documents them.

    Parameters
    ----------
    name
        of the provider, for the errors.
    """

    name: str
    shift: int
    crop: tuple[int, int] | None
    flip: bool
    shape: tuple[int, ...] | None
    fill: float
    channels: Literal["first"] | None

    def image(self, sample: tuple[int, ...]) -> tuple[int, int, int]:
        """Channels, height and width of the image that a sample of shape `sample` is.

        Raises
        ------
        DataError
            where a sample is no image, or too small for the shift or crop.
        """
        shape = self._unflattened(sample)
        self._check_channels(shape)
        channels, height, width = (1, *shape)[-3:]
        if self.crop is not None and (self.crop[0] > height or self.crop[1] > width):
            raise DataError(
                f"{self.name}: crop={self.crop} is larger than images of {height} x {width}: "
                f"crop to at most ({height}, {width})"
            )
        if self.shift and self.shift >= min(height, width):
            raise DataError(
                f"{self.name}: shift={self.shift} leaves nothing of images of {height} x {width}: "
                f"shift by at most {min(height, width) - 1}"
            )
        return channels, height, width

    def output_shape(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        """The shape behind the operations for a sample of shape `sample`; DataError as `image`."""
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
            raise DataError(f"{self.name}: pixels of {dtype} cannot be fill={self.fill!r}: give a number of that dtype")

    def _unflattened(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        if self.shape is None:
            if len(sample) in (2, 3):
                return sample
            side = math.isqrt(math.prod(sample))
            hint = f", e.g. shape=({side}, {side})" if len(sample) == 1 and side**2 == sample[0] else ""
            raise DataError(
                f"{self.name}: samples of shape {sample} are not images of (height, width) or (channels, height, width)"
                f": where they are flat, give their shape{hint}"
            )
        if sample not in (self.shape, (math.prod(self.shape),)):
            raise DataError(
                f"{self.name}: samples of shape {sample} are not images of shape={self.shape}, which have "
                f"{math.prod(self.shape)} pixels where they are flat: give the shape that they have"
            )
        return self.shape

    def _check_channels(self, shape: tuple[int, ...]) -> None:
        if self.channels is None and len(shape) == 3 and shape[2] <= 4 and shape[0] > shape[2]:
            height, width, channels = shape
            also = "" if self.shape is None else f" with shape={(channels, height, width)}"
            raise DataError(
                f"{self.name}: channels come first, and images of {shape} seem to have theirs last: give "
                f'x.reshape(-1, {height}, {width}, {channels}).transpose(0, 3, 1, 2){also}, or say channels="first" '
                "where there are that many"
            )
