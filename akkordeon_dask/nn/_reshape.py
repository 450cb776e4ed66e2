"""Samples in another shape."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context, Shape
from akkordeon_dask.nn._shapes import is_full
from akkordeon_dask.tree import Array

__all__ = ["Reshape"]


@dataclass(frozen=True, repr=False)
class Reshape(Function):
    """Each sample in another shape, its numbers in the same order. Nothing is copied where the input is contiguous.

    Parameters
    ----------
    shape
        of a sample behind the layer, e.g. `(1, 28, 28)`; one of its sizes may be -1: the remaining numbers.

    Shapes
    ------
    x : (batch, ...) of any dtype; y : (batch, ...), each sample of `shape`, a view of x

    Raises
    ------
    SpecError
        when `shape` is not a tuple of sizes, or has several of -1.
    ShapeError
        by `output_shape`, for samples of another number of values.

    Examples
    --------
    >>> from akkordeon_dask import nn
    >>> nn.Reshape((1, 28, -1)).output_shape((784,))
    (1, 28, 28)
    """

    views: ClassVar[bool] = True

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.shape, tuple | list):
            raise SpecError(f"{self!r}: a sample's shape is a tuple of sizes, e.g. (1, 28, 28), not {self.shape!r}")
        shape = tuple(check_int(f"{self!r}: a size", size, -1) for size in self.shape)
        if 0 in shape:
            raise SpecError(f"{self!r}: a size is a whole number of at least 1, or once -1, not 0")
        if shape.count(-1) > 1:
            raise SpecError(f"{self!r}: one size may be -1, not {shape.count(-1)} of them")
        object.__setattr__(self, "shape", shape)

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        return x.reshape(len(x), *self._filled(x.shape[1:])), x.shape

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        return dy.reshape(context)

    def output_shape(self, shape: Shape | None) -> Shape | None:
        if is_full(shape):
            return self._filled(shape)
        return None if -1 in self.shape else self.shape

    def _filled(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The new shape of samples of `shape`, with a number in the place of -1."""
        given, wanted = math.prod(shape), math.prod(size for size in self.shape if size != -1)
        if given % wanted if -1 in self.shape else given != wanted:
            takes = f"a multiple of {wanted}" if -1 in self.shape else str(wanted)
            raise ShapeError(f"{self!r} takes {takes} numbers a sample, samples of shape {shape} have {given}")
        return tuple(given // wanted if size == -1 else size for size in self.shape)

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        return dtype

    def multiply_adds(self, shape: Shape | None) -> int:
        return 0
