"""The base of the pooling layers: a window over images, worked on along rows, then along columns."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Shape
from akkordeon_dask.nn._padding import Margins, Padding, check_padding, margins
from akkordeon_dask.nn._shapes import Extent, is_full
from akkordeon_dask.nn._windows import Pair, image_shape, normalise, pair, positions
from akkordeon_dask.tree import Array

__all__ = ["AxisWindow", "Pool2d"]


@dataclass(frozen=True)
class AxisWindow:
    """A window of `size` that stops every `stride` pixels, at `count` positions, along one axis of images."""

    axis: int
    size: int
    stride: int
    count: int

    @property
    def idle(self) -> bool:
        """The window is one pixel and stops at each."""
        return self.size == self.stride == 1

    def views(self, x: Array) -> Iterator[Array]:
        """For each pixel of the window, the view of `x` with that pixel at all positions."""
        for offset in range(self.size):
            index = [slice(None)] * x.ndim
            index[self.axis] = slice(offset, offset + self.stride * (self.count - 1) + 1, self.stride)
            yield x[tuple(index)]

    def pooled(self, x: Array) -> Array:
        """A new array for the positions along this axis."""
        return empty((*x.shape[: self.axis], self.count, *x.shape[self.axis + 1 :]), x.dtype)

    def spread(self, dy: Array, extent: int) -> Array:
        """A new array of `extent` pixels along this axis; zeros where the windows do not cover each pixel once."""
        shape = (*dy.shape[: self.axis], extent, *dy.shape[self.axis + 1 :])
        dx = empty(shape, dy.dtype)
        if self.size != self.stride or self.count * self.size != extent:
            dx[...] = 0
        return dx

    @property
    def overlaps(self) -> bool:
        """Windows at two positions share pixels."""
        return self.stride < self.size


@dataclass(frozen=True, repr=False)
class Pool2d(Function):
    """A layer that turns each window of a channel into one number. `AvgPool2d` documents the fields."""

    kernel_size: Pair
    stride: Pair | None = None
    padding: Padding = 0

    def __post_init__(self) -> None:
        normalise(self, "kernel_size", 1)
        check_padding(self)
        if self.stride is not None:
            normalise(self, "stride", 1)
        if self.padding == "same":
            return
        for sides, size in zip(self._margins((0, 0, 0)), pair(self.kernel_size), strict=True):
            if 2 * max(sides) > size:
                raise SpecError(f"{self!r}: padding is at most half of the window of {size}, not {max(sides)}")

    def _margins(self, shape: tuple[int, ...]) -> Margins:
        return margins(self.padding, shape, pair(self.kernel_size), self._strides())

    def _axes(self, shape: tuple[int, ...]) -> tuple[AxisWindow, AxisWindow]:
        sizes, strides, counts = pair(self.kernel_size), self._strides(), self._positions(shape)
        rows, columns = (AxisWindow(2 + axis, sizes[axis], strides[axis], counts[axis]) for axis in (0, 1))
        return rows, columns

    def _strides(self) -> tuple[int, int]:
        return pair(self.kernel_size if self.stride is None else self.stride)

    def _positions(self, shape: tuple[Extent, ...]) -> tuple[Extent, Extent]:
        return positions(self, shape, self.kernel_size, self._strides(), self.padding)

    def output_shape(self, shape: Shape | None) -> Shape | None:
        return None if shape is None else (image_shape(self, shape)[0], *self._positions(shape))

    def multiply_adds(self, shape: Shape | None) -> int:
        if not is_full(shape):
            return 0
        return shape[0] * int(np.prod(self._positions(shape)) * np.prod(pair(self.kernel_size)))
