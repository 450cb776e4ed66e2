"""Shared by layers that slide a window over images: sizes, shapes, positions."""

from typing import Any

from akkordeon_dask._numbers import check_int
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn._layer import Layer, Shape
from akkordeon_dask.nn._padding import Padding, margin
from akkordeon_dask.nn._shapes import Extent, agree

__all__ = ["Pair", "image_shape", "normalise", "pair", "positions"]

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
    """`shape` itself, once it is checked to be that of an image: (channels, rows, columns).

    Raises
    ------
    ShapeError
        when it is no image's, or has other channels.
    """
    if len(shape) != 3:
        hint = f"put nn.Reshape((channels, rows, columns)) in front of it, samples have shape {shape_text(shape)}"
        raise ShapeError(f"{layer!r} takes images of (channels, rows, columns): {hint}")
    if not agree(shape, (channels, None, None)):
        raise ShapeError(f"{layer!r} takes {channels} channels, not {shape[0]} (samples of shape {shape_text(shape)})")
    return shape


def positions(
    layer: Layer, shape: tuple[Extent, ...], size: Pair, stride: Pair, padding: Padding, dilation: Pair = 1
) -> tuple[Extent, Extent]:
    """The number of window positions on an image of `shape`: rows, columns.

    Raises
    ------
    ShapeError
        when the window is larger than the padded image.
    """
    windows, strides, dilations = pair(size), pair(stride), pair(dilation)
    found: list[Extent] = []
    for axis, extent in enumerate(shape[1:]):
        if extent is None:
            found.append(None)
            continue
        around = margin(padding, axis, extent, windows, strides, dilations)
        count = (extent + sum(around) - dilations[axis] * (windows[axis] - 1) - 1) // strides[axis] + 1
        if count < 1:
            images = " x ".join(shape_text(side) for side in shape[1:])
            raise ShapeError(f"{layer!r} has a window that is larger than images of {images} with their padding")
        found.append(count)
    return found[0], found[1]
