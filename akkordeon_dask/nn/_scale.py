"""Standardisation with fixed numbers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from akkordeon_dask._numbers import keep_number
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.memory import empty, empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context
from akkordeon_dask.tree import Array

__all__ = ["Scale"]

_CHUNK = 2 * 1024 * 1024
"""Bytes of output that are worked on at a time: they stay in a core's L2 cache between the operations."""

_DIGITS = 2**53
"""Float64 has all whole numbers up to here."""

_NEAR = 2.0**62
"""Differences below it are those of 64-bit integers without overflow, whatever float64 has made of them."""


@dataclass(frozen=True, repr=False)
class Scale(Function):
    """`y = (x - mean) / std`, computed as `(x - mean) * (1 / std)`.

    The place where whole numbers (images) become floating point.

    Parameters
    ----------
    mean, std
        of the data, in the data's units; `std` above 0.

    Shapes
    ------
    x : (batch, ...) bool (0 and 1), integer or float; y : (batch, ...), the dtype of `x` where that is floating point,
    else float32

    The mean is taken off before anything is rounded to the dtype of `y`: large whole numbers (dates, ids, seconds) and
    float64 keep all their digits. A difference of integers and a whole mean is exact, that of 64 bits too.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        keep_number(self, "mean")
        keep_number(self, "std", above=0)
        if not math.isfinite(1 / self.std):
            raise SpecError(f"{self!r}: 1 / std is beyond all floats: scale the data before")

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        dtype = self.output_dtype(x.dtype)
        y = x if own and x.dtype == dtype else empty(x.shape, dtype)
        rows = max(1, _CHUNK * len(y) // max(1, y.nbytes))
        scale = self._narrow if self._fits(x.dtype, dtype) else self._wide
        for start in range(0, len(y), rows):
            scale(x[start : start + rows], y[start : start + rows])
        return y, None

    def _narrow(self, x: Array, y: Array) -> None:
        """In the dtype of `y`, which may be `x` itself."""
        if y is not x:
            np.copyto(y, x)
        y -= self.mean
        y *= 1 / self.std

    def _wide(self, x: Array, y: Array) -> None:
        """In float64, and rounded to the dtype of `y` at the end."""
        difference = empty(x.shape, np.float64)
        np.subtract(x, float(self.mean), out=difference, dtype=np.float64)
        if self._is_beyond_float64(x):
            near = np.abs(difference) < _NEAR
            np.copyto(difference, self._whole_difference(x), where=near)
        difference *= 1 / self.std
        np.copyto(y, difference, casting="same_kind")

    def _is_beyond_float64(self, x: Array) -> bool:
        """Whether 64-bit integers or the mean have more digits than float64: up to there its differences are right."""
        if x.dtype.kind not in "iu" or x.dtype.itemsize < 8 or x.size == 0:
            return False
        return max(abs(self.mean), abs(int(x.min())), abs(int(x.max()))) > _DIGITS

    def _whole_difference(self, x: Array) -> Array:
        """Of 64-bit integers in integers, which are exact where it is below 2^63; only then is it right."""
        whole = round(self.mean)
        rest = float(self.mean - whole)
        difference = (x.astype(np.uint64) - np.uint64(whole % 2**64)).view(np.int64)
        return difference - rest if rest else difference

    def _fits(self, dtype: np.dtype[Any], output: np.dtype[Any]) -> bool:
        """Whether `output` holds all numbers of `dtype`, the mean as closely as a deviation's digits, and 1 / std."""
        if dtype.kind in "iu" and dtype.itemsize > 2:
            return False
        digits = np.finfo(output).eps
        with np.errstate(over="ignore"):
            mean, factor = (float(output.type(number)) for number in (self.mean, 1 / self.std))
        return bool(abs(mean - self.mean) <= digits * self.std and abs(factor * self.std - 1) <= digits)

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        return np.multiply(dy, 1 / self.std, out=dy if own else empty_like(dy))

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        if dtype.kind not in "biuf":
            raise ShapeError(f"{self!r} takes integers, floating point or bool, not {dtype}")
        return dtype if dtype.kind == "f" else np.dtype(np.float32)
