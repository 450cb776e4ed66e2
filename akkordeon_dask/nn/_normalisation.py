"""Shared by the normalisations: work on `(batch, numbers of a sample)`."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from akkordeon_dask.memory import empty
from akkordeon_dask.nn._blocks import blocks
from akkordeon_dask.tree import Array

__all__ = ["OPERATIONS", "column_products", "output_for", "parts", "row_products"]

OPERATIONS = 4
"""Multiply-adds for each number: its share of the mean and of the variance, centred, scaled and shifted."""

_BLOCK = 2 * 1024 * 1024
"""Bytes of a block: the result of one operation is still in the cache for the next."""

_SAMPLES = 512
"""Samples of a block, at most: a sum of sums is more exact than one long sum."""


def parts(rows: Array) -> Iterator[slice]:
    """`(batch, n)` in blocks of samples that stay in the cache."""
    return blocks(len(rows), max(rows.shape[1] * rows.itemsize, _BLOCK // _SAMPLES), _BLOCK)


def output_for(rows: Array, dtype: np.dtype[Any], own: bool) -> Array:
    """An array for a result of the shape of `rows`: `rows` itself where it may be overwritten."""
    return rows if own and rows.dtype == dtype else empty(rows.shape, dtype)


def column_products(x: Array, y: Array) -> Array:
    """`(x * y).sum(axis=0)` without the product in memory: two `(batch, n)` to `(n,)`.

    In the dtype of both, or in float64 where that overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums: Array = np.einsum("bn,bn->n", x, y)
    return sums if np.isfinite(sums).all() else np.einsum("bn,bn->n", x, y, dtype=np.float64)


def row_products(x: Array, y: Array) -> Array:
    """`(x * y).sum(axis=1)`: two `(batch, n)` to `(batch, 1)`. In float64 where the dtype of both overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        sums: Array = np.vecdot(x, y)
    return (sums if np.isfinite(sums).all() else np.einsum("bn,bn->b", x, y, dtype=np.float64))[:, None]
