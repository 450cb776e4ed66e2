"""Sums over a batch."""

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["column_sums"]


def column_sums(dy: Array) -> Array:
    """`dy.sum(axis=0)` by way of BLAS, which takes a third of the time: `(batch, n)` to `(n,)`, same dtype."""
    sums: Array = np.ones(len(dy), dy.dtype) @ dy
    return sums
