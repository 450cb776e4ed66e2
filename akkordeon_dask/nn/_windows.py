"""What layers share that slide a window over images: sizes, shapes, padding."""

from typing import Any

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._layer import Layer, Shape
from akkordeon_dask.nn._shapes import Extent, agree
from akkordeon_dask.tree import Array

__all__ = ["Pair", "image_shape", "normalise", "padded", "pair", "places", "unpadded"]

Pair = int | tuple[int, int]
"""Of rows and columns; a number stands for both."""


def pair(value: Pair) -> tuple[int, int]:
    """Rows and columns."""
    return value if isinstance(value, tuple) else (value, value)


def normalise(layer: Layer, name: str, least: int) -> None:
    """The field is a whole number of at least `least` or two of them; an equal pair becomes one number.

    Raises
    ------
    SpecError
        when it is something else.
    """
    value: Any = getattr(layer, name)
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise SpecError(f"{layer!r}: {name} is a whole number or a pair for rows and columns, not {value!r}")
    rows, columns = (check_int(f"{layer!r}: {name}, or each of a pair,", number, least) for number in both)
    object.__setattr__(layer, name, rows if rows == columns else (rows, columns))


def image_shape(layer: Layer, shape: Shape, channels: int | None = None) -> Shape:
    """The shape of a sample, which is an image: (channels, rows, columns).

    Raises
    ------
    ShapeError
        when it is none, or has other channels.
    """
    if len(shape) != 3:
        hint = f"put nn.Reshape((channels, rows, columns)) in front of it, samples have shape {shape_text(shape)}"
        raise ShapeError(f"{layer!r} takes images of (channels, rows, columns): {hint}")
    if not agree(shape, (channels, None, None)):
        raise ShapeError(f"{layer!r} takes {channels} channels, not {shape[0]} (samples of shape {shape_text(shape)})")
    return shape


def places(
    layer: Layer, shape: tuple[Extent, ...], size: Pair, stride: Pair, padding: Pair, dilation: Pair = 1
) -> tuple[Extent, Extent]:
    """How many places the window has on an image of `shape`: rows, columns.

    Raises
    ------
    ShapeError
        when it has none.
    """
    found: list[Extent] = []
    for extent, *how in zip(shape[1:], pair(size), pair(stride), pair(padding), pair(dilation), strict=True):
        window, step, margin, spread = how
        count = None if extent is None else (extent + 2 * margin - spread * (window - 1) - 1) // step + 1
        if count is not None and count < 1:
            images = " x ".join(shape_text(side) for side in shape[1:])
            raise ShapeError(f"{layer!r} has a window that is larger than images of {images} with their padding")
        found.append(count)
    return found[0], found[1]


def padded(x: Array, padding: Pair, fill: float) -> Array:
    """`x : (batch, channels, rows, columns)` with a margin; itself, in C order, where there is none."""
    down, right = pair(padding)
    if not down and not right:
        return np.ascontiguousarray(x)
    batch, channels, rows, columns = x.shape
    out = empty((batch, channels, rows + 2 * down, columns + 2 * right), x.dtype)
    out[:, :, :down] = out[:, :, rows + down :] = fill
    out[:, :, :, :right] = out[:, :, :, columns + right :] = fill
    out[:, :, down : rows + down, right : columns + right] = x
    return out


def unpadded(x: Array, padding: Pair) -> Array:
    """A view of the image without its margin."""
    down, right = pair(padding)
    return x[:, :, down : x.shape[2] - down, right : x.shape[3] - right]
