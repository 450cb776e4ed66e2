"""Random masks for Dropout and DropConnect."""

import math

import numpy as np
from numpy.typing import DTypeLike

from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Layer
from akkordeon_dask.tree import Array

__all__ = ["draw_mask", "need_key"]

_LEVELS = 65536


def draw_mask(generator: np.random.Generator, shape: tuple[int, ...], rate: float, dtype: DTypeLike) -> Array:
    """0 with probability `rate`, else the factor that keeps the expectation: an array of `shape` and `dtype`.

    Each element takes 16 random bits, so the rate is rounded to a multiple of 1/65536 (and stays below 1).
    The factor is the inverse of the share that is really kept. Masks of unlike dtype drop the same elements.
    """
    count = math.prod(shape)
    dropped = min(round(rate * _LEVELS), _LEVELS - 1)
    bits = generator.integers(0, 2**64, -(-count // 4), np.uint64).view(np.uint16)
    # A float mask is made once and multiplied twice; a boolean one would be converted at each use.
    mask = empty(shape, dtype)
    np.copyto(mask, (bits[:count] >= dropped).reshape(shape))
    mask *= _LEVELS / (_LEVELS - dropped)
    return mask


def need_key(layer: Layer, key: Key | None) -> Key:
    """The key itself.

    Raises
    ------
    SpecError
        when there is none.
    """
    if key is None:
        raise SpecError(f"{layer!r} draws a mask when it trains, and got no key: pass key=nn.Key((seed,))")
    return key
