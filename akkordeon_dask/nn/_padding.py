"""The margin that layers with a window put around images."""

from typing import Any, Literal, TypeAlias

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._layer import Layer
from akkordeon_dask.tree import Array

__all__ = ["Margin", "Margins", "Padding", "check_padding", "check_side", "margin", "margins", "padded", "unpadded"]

Margin: TypeAlias = tuple[int, int]
"""Pixels before and behind."""
Margins: TypeAlias = tuple[Margin, Margin]
"""Of rows and columns."""
Padding: TypeAlias = int | tuple[int | Margin, int | Margin] | Literal["same"]
"""Pixels on all four sides; a pair for rows and columns, each a number or a pair (before, behind); or `"same"`."""


def check_padding(layer: Layer) -> None:
    """The layer's field `padding` is one, in its shortest form.

    Raises
    ------
    SpecError
        when it is something else.
    """
    value: Any = layer.padding  # type: ignore[attr-defined]  # of layers with a window
    if isinstance(value, str):
        if value != "same":
            raise SpecError(f"{layer!r}: padding is a whole number, a pair of such, or 'same', not {value!r}")
        return
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise SpecError(f"{layer!r}: padding is a whole number or a pair for rows and columns, not {value!r}")
    rows, columns = (check_side(layer, one) for one in both)
    object.__setattr__(layer, "padding", rows if rows == columns and isinstance(rows, int) else (rows, columns))


def check_side(layer: Layer, value: Any) -> int | Margin:
    """The padding of one axis, in its shortest form.

    Raises
    ------
    SpecError
        when it is neither a number of pixels nor a pair of them.
    """
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise SpecError(f"{layer!r}: padding of one axis is a whole number or (before, behind), not {value!r}")
    before, behind = (check_int(f"{layer!r}: padding, or each number of it,", one, 0) for one in both)
    return before if before == behind else (before, behind)


def margins(
    padding: Padding, shape: tuple[int, ...], window: Margin, stride: Margin, dilation: Margin = (1, 1)
) -> Margins:
    """The margins of an image of `shape`, (channels, rows, columns)."""
    rows, columns = (margin(padding, axis, shape[1 + axis], window, stride, dilation) for axis in (0, 1))
    return rows, columns


def margin(padding: Padding, axis: int, extent: int, window: Margin, stride: Margin, dilation: Margin) -> Margin:
    """The margin along one axis of images that are `extent` pixels long.

    `"same"` gives a position to every `stride` pixels, ceil(extent / stride) in all; an odd pixel goes behind.
    """
    if padding == "same":
        steps = -(-extent // stride[axis]) - 1
        total = max(steps * stride[axis] + dilation[axis] * (window[axis] - 1) + 1 - extent, 0)
        return total // 2, total - total // 2
    one = padding[axis] if isinstance(padding, tuple) else padding
    return (one, one) if isinstance(one, int) else one


def padded(x: Array, around: Margins, fill: float) -> Array:
    """`x : (batch, channels, rows, columns)` with a margin; itself, in C order, where there is none."""
    (top, bottom), (left, right) = around
    if not any((top, bottom, left, right)):
        return np.ascontiguousarray(x)
    batch, channels, rows, columns = x.shape
    out = empty((batch, channels, top + rows + bottom, left + columns + right), x.dtype)
    out[:, :, :top] = out[:, :, top + rows :] = fill
    out[:, :, :, :left] = out[:, :, :, left + columns :] = fill
    out[:, :, top : top + rows, left : left + columns] = x
    return out


def unpadded(x: Array, around: Margins) -> Array:
    """A view of the image without its margin."""
    (top, bottom), (left, right) = around
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
