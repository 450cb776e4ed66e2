"""Arrays with half the bytes for the wire."""

import math
from typing import Literal, NamedTuple

import numpy as np

from akkordeon_dask.memory import empty
from akkordeon_dask.tree import Array

__all__ = ["MOST_EXPONENT", "WIRE_DTYPES", "Narrowing", "WireFormat", "narrowed", "widened"]

WireFormat = Literal["float16", "bfloat16"]

WIRE_DTYPES = {"float16": np.dtype(np.float16), "bfloat16": np.dtype(np.uint16)}
"""By format, the arrays' dtype: of bfloat16, numpy has the bits."""

_TOP = 14
"""The greatest number of a float16 array lies between 2**14 and 2**15, below float16's largest of 65504."""
MOST_EXPONENT = 126
"""Powers of two between 2**-126 and 2**126 are normal numbers of float32, and so are their reciprocals."""
_QUIET_NAN = np.uint16(0x40)


class Narrowing(NamedTuple):
    """The key to widening a narrowed array."""

    format: WireFormat
    exponent: int
    """The numbers were multiplied by two to this power; 0 for bfloat16, which has the range of float32."""


def narrowed(array: Array, format: WireFormat | None) -> tuple[Array, Narrowing | None]:
    """A float32 array (batch, ...) with 16 bits a number, to the nearest, ties to even; any other as it is, and None.

    NaN and infinity stay; a number less than half a step below float32's end rounds to infinity. float16 numbers below
    6e-5 lose digits and those below 3e-8 are 0, as gradients often are; so each array is multiplied by a power of two,
    which changes no digit, by which its greatest finite number comes near the top of the range. Micikevicius et al.,
    'Mixed Precision Training', arXiv 1710.03740, 2017, scale the loss.
    """
    if format is None or array.dtype != np.float32:
        return array, None
    array = np.ascontiguousarray(array)
    if format == "bfloat16":
        return _as_bfloat16(array), Narrowing(format, 0)
    exponent = _exponent(array)
    with np.errstate(over="ignore", invalid="ignore"):
        return (array * _power(exponent)).astype(np.float16), Narrowing(format, exponent)


def widened(array: Array, narrowing: Narrowing | None) -> Array:
    """The float32 array of what `narrowed` returned, as far as its digits were kept."""
    if narrowing is None:
        return array
    wide = empty(array.shape, np.dtype(np.float32))
    if narrowing.format == "bfloat16":
        np.left_shift(array, 16, out=wide.view(np.uint32), dtype=np.uint32)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(array, _power(-narrowing.exponent), out=wide, dtype=np.float32)
    return wide


def _power(exponent: int) -> np.float32:
    return np.float32(math.ldexp(1.0, exponent))


def _exponent(array: Array) -> int:
    """The power of two that brings the greatest finite number near float16's top."""
    greatest = _greatest(array)
    if not math.isfinite(greatest):
        greatest = _greatest(array[np.isfinite(array)])
    if greatest == 0:
        return 0
    return max(-MOST_EXPONENT, min(MOST_EXPONENT, _TOP + 1 - math.frexp(greatest)[1]))


def _greatest(array: Array) -> float:
    return float(max(array.max(), -array.min())) if array.size else 0.0


def _as_bfloat16(array: Array) -> Array:
    """The upper halves of the numbers' bits, where half a step was added: just below it for an even upper half."""
    bits = array.view(np.uint32)
    high = bits >> np.uint32(16)
    rounding = high & np.uint32(1)
    rounding += np.uint32(0x7FFF)
    rounding += bits  # a NaN may overflow; it is put right below
    rounding >>= np.uint32(16)
    narrow: Array = rounding.astype(np.uint16)
    nans = np.isnan(array)
    if nans.any():
        narrow[nans] = high[nans].astype(np.uint16) | _QUIET_NAN
    return narrow
