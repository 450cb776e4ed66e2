"""Images as columns, which turn a convolution into matrix products."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from akkordeon_dask.tree import Array

__all__ = ["Unfold"]


class Unfold(NamedTuple):
    """A window that slides over padded images, and the layout of its positions in memory.

    A column holds the window's pixels at one position. With a stride of 1 the window also stops at the positions
    between the end of a row and the beginning of the next: results there are thrown away, and in return a row
    of the matrix is one contiguous piece of the image, which is copied at once.

    Shapes
    ------
    images : (batch, channels, rows, columns), padded and in C order;
    matrix : (batch, channels, *window, lines, length); of its columns `valid` are the window's positions.
    """

    channels: int
    rows: int
    columns: int
    window: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    positions: tuple[int, int]

    @property
    def _jumps(self) -> bool:
        return self.stride != (1, 1)

    @property
    def _lines(self) -> tuple[int, int]:
        rows, columns = self.positions
        return (rows, columns) if self._jumps else (1, (rows - 1) * self.columns + columns)

    @property
    def pitch(self) -> int:
        """Columns of the matrix from one row of positions to the next."""
        return self.positions[1] if self._jumps else self.columns

    @property
    def size(self) -> int:
        """Columns of the matrix for one image."""
        lines, length = self._lines
        return lines * length

    @property
    def exact(self) -> bool:
        """Every column is one of the window's positions."""
        return self.pitch == self.positions[1]

    def shape(self, samples: int) -> tuple[int, ...]:
        """The matrix's shape."""
        return (samples, self.channels, *self.window, *self._lines)

    def unfold(self, images: Array, matrix: Array) -> None:
        """Write the columns of `images` into `matrix`."""
        sample, channel, row, column = images.strides
        (down, right), (apart, beside) = self.stride, self.dilation
        steps = (sample, channel, row * apart, column * beside, row * down, column * right)
        np.copyto(matrix, as_strided(images, self.shape(len(images)), steps))

    def fold(self, matrix: Array, images: Array) -> None:
        """Add the columns to the pixels that they were copied from."""
        rows, columns = self.positions
        (down, right), (apart, beside) = self.stride, self.dilation
        flat = images.reshape(*images.shape[:2], -1)
        for i in range(self.window[0]):
            for j in range(self.window[1]):
                top, left = i * apart, j * beside
                if self._jumps:
                    end, edge = top + down * rows, left + right * columns
                    images[:, :, top:end:down, left:edge:right] += matrix[:, :, i, j]
                else:
                    start = top * self.columns + left
                    flat[:, :, start : start + self.size] += matrix[:, :, i, j, 0]

    def valid(self, wide: Array) -> Array:
        """A view of the window's positions, (batch, channels, *positions), in the products of all columns.

        `wide : (batch, channels, positions[0] * pitch)`, in C order.
        """
        return wide.reshape(*wide.shape[:2], self.positions[0], self.pitch)[..., : self.positions[1]]
