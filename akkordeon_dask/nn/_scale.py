"""Standardisation with fixed numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from akkordeon_dask._numbers import check_number, keep_number
from akkordeon_dask._repr import shape_text
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.memory import empty, empty_like
from akkordeon_dask.nn._function import Function
from akkordeon_dask.nn._layer import Context, Shape
from akkordeon_dask.tree import Array

__all__ = ["Scale"]

_CHUNK = 2 * 1024 * 1024
"""Bytes of output that are worked on at a time: they stay in a core's L2 cache between the operations."""

_DIGITS = 2**53
"""Float64 has all whole numbers up to here."""

_NEAR = 2.0**62
"""Differences below it are those of 64-bit integers without overflow, whatever float64 has made of them."""


_PRINTED = 16
"""Numbers of a vector that are printed."""


class _Vector(tuple[float, ...]):
    """Numbers that print in a few words where they are many."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if len(self) <= _PRINTED else f"<{len(self)} numbers>"


@dataclass(frozen=True, repr=False)
class Scale(Function):
    """`y = (x - mean) / std`, computed as `(x - mean) * (1 / std)`.

    The place where whole numbers (images) become floating point.

    The mean is taken off before anything is rounded to the dtype of `y`: large whole numbers (dates, ids, seconds) and
    float64 keep all their digits. A difference of integers and a whole mean is exact, that of 64 bits too.

    Parameters
    ----------
    mean, std
        of the data, in the data's units; `std` above 0. One number, or a sequence with one for each feature of flat
        samples, each channel of images: `data.standardise` finds them. Stored as a tuple.

    Shapes
    ------
    x : (batch, ...), where a sequence is given (batch, its length, ...), bool (0 and 1), integer or float; y : the
    shape of x, and its dtype where that is floating point, else float32

    Raises
    ------
    SpecError
        when a number is not finite, a `std` not above 0, or means and deviations differ in number.
    ShapeError
        by `output_shape` and `forward`, for samples of another number of features or channels.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> nn.Scale([1, 100], [1, 50]).forward({}, np.array([[2.0, 50.0], [1.0, 200.0]]))[0]
    array([[ 1., -1.],
           [ 0.,  2.]])
    """

    mean: float | Sequence[float]
    std: float | Sequence[float]

    def __post_init__(self) -> None:
        _keep(self, "mean")
        _keep(self, "std", above=0)
        means, deviations = (len(one) if isinstance(one, _Vector) else None for one in (self.mean, self.std))
        if None not in (means, deviations) and means != deviations:
            raise SpecError(f"{self!r}: there are {means} means and {deviations} deviations: give as many of each")
        if not all(math.isfinite(1 / std) for std in _numbers(self.std)):
            raise SpecError(f"{self!r}: 1 / std is beyond all floats: scale the data before")

    @property
    def features(self) -> int | None:
        """Features or channels that have numbers of their own; None: all have the same."""
        return next((len(value) for value in (self.mean, self.std) if isinstance(value, _Vector)), None)

    @property
    def keeps_shape(self) -> bool:
        return True

    def output_shape(self, shape: Shape | None) -> Shape | None:
        features = self.features
        if features is not None and shape is not None and (not shape or shape[0] not in (None, features)):
            axis = "features" if len(shape) < 2 else "channels"
            raise ShapeError(
                f"{self!r} has numbers for {features} {axis}, not for samples of shape {shape_text(shape)}"
            )
        return super().output_shape(shape)

    def _apply(self, x: Array, own: bool) -> tuple[Array, Context]:
        if self.features is not None:
            self.output_shape(x.shape[1:])
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
        y -= _beside(self.mean, y)
        y *= _beside(_factor(self.std), y)

    def _wide(self, x: Array, y: Array) -> None:
        """In float64, and rounded to the dtype of `y` at the end."""
        difference = empty(x.shape, np.float64)
        np.subtract(x, _beside(self.mean, difference), out=difference, dtype=np.float64)
        if self._is_beyond_float64(x):
            near = np.abs(difference) < _NEAR
            np.copyto(difference, self._whole_difference(x), where=near)
        difference *= _beside(_factor(self.std), difference)
        np.copyto(y, difference, casting="same_kind")

    def _is_beyond_float64(self, x: Array) -> bool:
        """Whether 64-bit integers or the mean have more digits than float64: up to there its differences are right."""
        if x.dtype.kind not in "iu" or x.dtype.itemsize < 8 or x.size == 0:
            return False
        return max(*map(abs, _numbers(self.mean)), abs(int(x.min())), abs(int(x.max()))) > _DIGITS

    def _whole_difference(self, x: Array) -> Array:
        """Of 64-bit integers in integers, which are exact where it is below 2^63; only then is it right."""
        whole = [round(mean) for mean in _numbers(self.mean)]
        rest = [float(mean - its) for mean, its in zip(_numbers(self.mean), whole, strict=True)]
        beside = (-1, *[1] * (x.ndim - 2)) if isinstance(self.mean, _Vector) else ()
        wrapped = np.array([its % 2**64 for its in whole], np.uint64).reshape(beside)
        difference: Array = (x.astype(np.uint64) - wrapped).view(np.int64)
        if any(rest):
            fractions: Array = np.array(rest).reshape(beside)
            difference = difference - fractions
        return difference

    def _fits(self, dtype: np.dtype[Any], output: np.dtype[Any]) -> bool:
        """Whether `output` holds all numbers of `dtype`, the mean as closely as a deviation's digits, and 1 / std."""
        if dtype.kind in "iu" and dtype.itemsize > 2:
            return False
        digits = np.finfo(output).eps
        return _fit(self.mean, self.std, output, float(digits))

    def _gradient(self, context: Context, dy: Array, own: bool) -> Array:
        dx: Array = np.multiply(dy, _beside(_factor(self.std), dy), out=dy if own else empty_like(dy))
        return dx

    def output_dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        if dtype.kind not in "biuf":
            raise ShapeError(f"{self!r} takes integers, floating point or bool, not {dtype}")
        return dtype if dtype.kind == "f" else np.dtype(np.float32)


def _keep(scale: Scale, name: str, **bounds: float) -> None:
    """Store a field as Python's number, or as a vector of them."""
    value: Any = getattr(scale, name)
    if isinstance(value, str) or (isinstance(value, np.ndarray) and value.ndim == 0) or not np.iterable(value):
        keep_number(scale, name, **bounds)  # type: ignore[arg-type]
        return
    items = value.tolist() if isinstance(value, np.ndarray) else list(value)
    if not items:
        raise SpecError(f"nn.Scale: {name} is empty: give a number for each feature, or one for all")
    label = f"nn.Scale: {name} of feature"
    numbers = (check_number(f"{label} {index}", item, **bounds) for index, item in enumerate(items))  # type: ignore[arg-type]
    object.__setattr__(scale, name, _Vector(numbers))


def _numbers(value: float | Sequence[float]) -> Sequence[float]:
    return value if isinstance(value, _Vector) else (value,)  # type: ignore[return-value]


@lru_cache(maxsize=64)
def _factor(std: float | _Vector) -> float | _Vector:
    return _Vector(1 / one for one in std) if isinstance(std, _Vector) else 1 / std


def _beside(value: float | Sequence[float], x: Array) -> Any:
    """A number, or numbers as an array that meets the first axis of each sample of `x`; in the dtype of `x`."""
    return _column(value, x.ndim - 2, x.dtype) if isinstance(value, _Vector) else float(value)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _column(values: _Vector, axes: int, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):
        column = np.array(values, np.float64).astype(dtype).reshape(-1, *[1] * axes)
    column.flags.writeable = False
    return column


@lru_cache(maxsize=64)
def _fit(mean: float | _Vector, std: float | _Vector, output: np.dtype[Any], digits: float) -> bool:
    """Whether a dtype holds each mean as closely as its deviation's digits, and each 1 / std."""
    features = max(len(_numbers(mean)), len(_numbers(std)))
    means, deviations = (one if isinstance(one, _Vector) else [one] * features for one in (mean, std))
    return all(
        abs(_rounded(mean, output) - mean) <= digits * std and abs(_rounded(1 / std, output) * std - 1) <= digits
        for mean, std in zip(means, deviations, strict=True)
    )


def _rounded(number: float, dtype: np.dtype[Any]) -> float:
    with np.errstate(over="ignore"):
        return float(dtype.type(number))
