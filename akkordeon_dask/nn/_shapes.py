"""Shapes of samples, as far as they are known."""

from collections.abc import Callable
from typing import TypeAlias, TypeGuard, TypeVar

__all__ = ["Extent", "Shape", "agree", "asked", "is_full", "merged"]

Shape: TypeAlias = tuple[int | None, ...]
"""A sample's shape, without the batch axis. An unknown extent is None, as is an unknown shape."""

Extent = TypeVar("Extent", int, int | None)
"""Of a shape that is known in full, or of any."""

_Answer = TypeVar("_Answer")


def is_full(shape: Shape | None) -> TypeGuard[tuple[int, ...]]:
    """Every extent is known."""
    return shape is not None and None not in shape


def agree(one: Shape | None, other: Shape | None) -> bool:
    """Samples can have both shapes: nothing that is known of both differs."""
    if one is None or other is None:
        return True
    return len(one) == len(other) and all(None in pair or pair[0] == pair[1] for pair in zip(one, other, strict=True))


def merged(one: Shape | None, other: Shape | None) -> Shape | None:
    """The shape of samples that have both shapes, as far as it is known; `one` where the two do not agree."""
    if one is None:
        return other
    if other is None or not agree(one, other):
        return one
    return tuple(b if a is None else a for a, b in zip(one, other, strict=True))


def asked(question: Callable[[Shape | None], _Answer], shape: Shape | None, unknown: _Answer) -> _Answer:
    """The answer of a layer's `output_shape` or `multiply_adds` for samples of `shape`; `unknown` without one."""
    try:
        return question(shape)
    except TypeError:
        # A layer from elsewhere may calculate with extents as if all were numbers: then None raises, which is no fault.
        if is_full(shape):
            raise
        return unknown
