"""Convolution of images."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask._numbers import keep_flag, keep_int
from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty, scratch
from akkordeon_dask.nn._blocks import blocks
from akkordeon_dask.nn._initializers import HeNormal, Initializer, check_initializer
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Shape
from akkordeon_dask.nn._linear import LinearContext
from akkordeon_dask.nn._padding import Margins, Padding, check_padding, margins, padded, unpadded
from akkordeon_dask.nn._precision import widened
from akkordeon_dask.nn._shapes import Extent, is_full
from akkordeon_dask.nn._split_layer import SplitLayer
from akkordeon_dask.nn._unfold import Unfold
from akkordeon_dask.nn._windows import Pair, image_shape, normalise, pair, positions
from akkordeon_dask.tree import Array, Tree

__all__ = ["Conv2d", "check_groups"]

_BLOCK = 4 * 1024 * 1024
"""Bytes of columns that are made at a time: multiplied while a core still has them in its cache. Smaller blocks are
slower beside other threads, for each call of numpy is one more time to wait for the interpreter."""


@dataclass(frozen=True, repr=False)
class Conv2d(SplitLayer):
    """Cross-correlation of images with learned windows, channels first.

    LeCun, Bottou, Bengio, Haffner, 'Gradient-Based Learning Applied to Document Recognition',
    Proceedings of the IEEE 86(11), 1998. Computed as matrix products, some images at a time; the
    backward pass makes the columns again instead of keeping them.

    Parameters
    ----------
    in_channels, out_channels
        of the images in front and behind, at least 1.
    kernel_size, stride, dilation
        of the window, in pixels, at least 1: a number, or a pair for rows and columns.
    padding
        zeros around the image, in pixels: a number for all four sides, a pair for rows and columns, of which each may
        be a pair (before, behind): `padding=(0, (2, 0))` pads on the left. `"same"`: as many as give rows_out =
        ceil(rows / stride), and columns likewise; of an odd number one more goes behind.
    groups
        channels are split into so many groups that do not see one another; divides both numbers of channels.
    bias
        add `b`.
    initializer
        how `w` begins (with a fan-in of one window); `b` begins at zero.

    Shapes
    ------
    x : (batch, in_channels, rows, columns) float; y : (batch, out_channels, rows_out, columns_out);
    w : (out_channels, in_channels / groups, kernel_rows, kernel_columns); b : (out_channels,);
    rows_out = (rows + before + behind - dilation * (kernel_rows - 1) - 1) // stride + 1, and columns likewise

    Raises
    ------
    SpecError
        when a parameter is out of its range, or the groups do not divide the channels.
    ShapeError
        by `output_shape`, when samples are no images of `in_channels`, or smaller than the window.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.Conv2d(1, 6, 5, padding=2).output_shape((1, 28, 28))
    (6, 28, 28)
    """

    draws: ClassVar[bool] = False

    in_channels: int
    out_channels: int
    kernel_size: Pair
    stride: Pair = 1
    padding: Padding = 0
    dilation: Pair = 1
    groups: int = 1
    bias: bool = True
    initializer: Initializer = HeNormal()

    def __post_init__(self) -> None:
        for name in ("in_channels", "out_channels", "groups"):
            keep_int(self, name, 1)
        keep_flag(self, "bias")
        for name in ("kernel_size", "stride", "dilation"):
            normalise(self, name, least=1)
        check_padding(self)
        check_groups(self)
        check_initializer(self, self.initializer)

    def init(self, rng: np.random.Generator, dtype: DTypeLike = np.float32) -> Tree:
        window = self.in_channels // self.groups, *pair(self.kernel_size)
        w = self.initializer(rng, (int(np.prod(window)), self.out_channels), dtype)
        params: dict[str, Array] = {"w": np.ascontiguousarray(w.T).reshape(self.out_channels, *window)}
        if self.bias:
            params["b"] = np.zeros(self.out_channels, dtype)
        return params

    @property
    def parameter_count(self) -> int:
        window = math.prod(pair(self.kernel_size)) * (self.in_channels // self.groups)
        return (window + self.bias) * self.out_channels

    def forward(
        self, params: Tree, x: Array, *, train: bool = False, key: Key | None = None, own: bool = False
    ) -> tuple[Array, Context]:
        w, unfold = self._matrix(params["w"]), self._unfold(x.shape[1:])
        y = empty((len(x), self.out_channels, *unfold.positions), w.dtype)
        for some, matrix in self._columns(unfold, x, w):
            size = len(matrix)
            if unfold.exact:
                np.matmul(w, matrix, out=y[some].reshape(size, *w.shape[:2], -1))
                continue
            wide = empty((size, self.out_channels, unfold.positions[0] * unfold.pitch), w.dtype)
            np.matmul(w, matrix, out=wide.reshape(size, *w.shape[:2], -1)[..., : unfold.size])
            y[some] = unfold.valid(wide)
        if self.bias:
            y += params["b"][:, np.newaxis, np.newaxis]
        return y, LinearContext(params, x)

    def input_gradient(self, context: Context, dy: Array, *, own: bool = False) -> Array:
        w, x = self._matrix(context.params["w"]), context.x
        unfold = self._unfold(x.shape[1:])
        dx = empty(x.shape, w.dtype)
        for some, matrix in self._buffers(unfold, x, w):
            np.matmul(w.swapaxes(-1, -2), self._by_column(unfold, dy[some], w), out=matrix)
            dx[some] = self._folded(unfold, matrix, self._margins(x.shape[1:]))
        return dx

    def parameter_gradients(self, context: Context, dy: Array) -> Tree:
        w, x = self._matrix(context.params["w"]), context.x
        unfold = self._unfold(x.shape[1:])
        dw = np.zeros(w.shape, w.dtype)
        for some, matrix in self._columns(unfold, x, w):
            dw += np.matmul(self._by_column(unfold, dy[some], w), matrix.swapaxes(-1, -2)).sum(axis=0)
        grads = {"w": dw.reshape(context.params["w"].shape)}
        if self.bias:
            grads["b"] = widened(dy).sum(axis=(2, 3)).sum(axis=0)
        return grads

    def _matrix(self, w: Array) -> Array:
        """(groups, out_channels / groups, numbers in a window)"""
        return w.reshape(self.groups, self.out_channels // self.groups, -1)

    def _unfold(self, shape: tuple[int, ...]) -> Unfold:
        channels, *size = shape
        rows, columns = (extent + sum(sides) for extent, sides in zip(size, self._margins(shape), strict=True))
        how = pair(self.kernel_size), pair(self.stride), pair(self.dilation)
        return Unfold(channels, rows, columns, *how, self._positions(shape))

    def _margins(self, shape: tuple[int, ...]) -> Margins:
        return margins(self.padding, shape, pair(self.kernel_size), pair(self.stride), pair(self.dilation))

    def _columns(self, unfold: Unfold, x: Array, w: Array) -> Iterator[tuple[slice, Array]]:
        """Blocks of the batch, and their columns in one buffer: (samples, groups, numbers in a window, columns)."""
        around = self._margins(x.shape[1:])
        for some, matrix in self._buffers(unfold, x, w):
            unfold.unfold(padded(x[some], around, 0), matrix.reshape(unfold.shape(len(matrix))))
            yield some, matrix

    def _buffers(self, unfold: Unfold, x: Array, w: Array) -> Iterator[tuple[slice, Array]]:
        """Blocks of the batch, and room for their columns in one buffer."""
        sample_bytes = int(np.prod(unfold.shape(1))) * w.itemsize
        buffer: Array | None = None
        for some in blocks(len(x), sample_bytes, _BLOCK):
            size = some.stop - some.start
            if buffer is None:
                buffer = scratch(unfold.shape(size), w.dtype)
            yield some, buffer[:size].reshape(size, self.groups, w.shape[2], unfold.size)

    def _by_column(self, unfold: Unfold, dy: Array, w: Array) -> Array:
        """(samples, groups, out_channels / groups, columns)"""
        return self._wide(unfold, dy).reshape(len(dy), *w.shape[:2], -1)[..., : unfold.size]

    def _wide(self, unfold: Unfold, dy: Array) -> Array:
        """The gradient by all columns: 0 for columns that are no window positions."""
        if unfold.exact:
            return np.ascontiguousarray(dy)
        wide = empty((*dy.shape[:2], unfold.positions[0] * unfold.pitch), dy.dtype)
        by_row = wide.reshape(*dy.shape[:3], unfold.pitch)
        by_row[..., unfold.positions[1] :] = 0
        by_row[..., : unfold.positions[1]] = dy
        return wide

    def _folded(self, unfold: Unfold, matrix: Array, around: Margins) -> Array:
        images = np.zeros((len(matrix), unfold.channels, unfold.rows, unfold.columns), matrix.dtype)
        unfold.fold(matrix.reshape(unfold.shape(len(matrix))), images)
        return unpadded(images, around)

    def rebind(self, context: Context, params: Tree) -> Context:
        return LinearContext(params, context.x)

    @property
    def input_shape(self) -> Shape:
        return self.in_channels, None, None

    def output_shape(self, shape: Shape | None) -> Shape | None:
        images = self.input_shape if shape is None else image_shape(self, shape, self.in_channels)
        return self.out_channels, *self._positions(images)

    def _positions(self, shape: tuple[Extent, ...]) -> tuple[Extent, Extent]:
        return positions(self, shape, self.kernel_size, self.stride, self.padding, self.dilation)

    def multiply_adds(self, shape: Shape | None) -> int:
        if not is_full(shape):
            return 0
        window = int(np.prod(pair(self.kernel_size))) * self.in_channels // self.groups
        return window * self.out_channels * int(np.prod(self._positions(shape)))


def check_groups(layer: Any) -> None:
    """The groups of a convolution divide its numbers of channels; SpecError otherwise."""
    if layer.in_channels % layer.groups or layer.out_channels % layer.groups:
        channels = f"{layer.in_channels} and {layer.out_channels} channels"
        raise SpecError(f"{layer!r}: {layer.groups} groups do not divide {channels}: choose a common divisor")
