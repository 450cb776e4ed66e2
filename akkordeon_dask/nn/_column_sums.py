"""Sums over a batch."""

from functools import lru_cache
from typing import Any

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["column_sums"]


def column_sums(dy: Array) -> Array:
    """`dy.sum(axis=0)` by way of BLAS, which takes a third of the time: `(batch, n)` to `(n,)`, in float32 at least."""
    sums: Array = _ones(len(dy), dy.dtype) @ dy
    return sums


@lru_cache(maxsize=16)
def _ones(n: int, dtype: np.dtype[Any]) -> Array:
    ones = np.ones(n, np.promote_types(dtype, np.float32))
    ones.flags.writeable = False
    return ones
