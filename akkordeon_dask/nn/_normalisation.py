"""What the normalisations share: checks, and work on `(batch, numbers of a sample)`."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from akkordeon_dask._notation import Written
from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import empty
from akkordeon_dask.nn._blocks import blocks
from akkordeon_dask.nn._checks import check_number
from akkordeon_dask.tree import Array

__all__ = ["OPERATIONS", "check_eps", "check_sizes", "column_products", "parts", "place_for"]

OPERATIONS = 4
"""Multiply-adds for each number: its share of the mean and of the variance, centred, scaled and shifted."""

_BLOCK = 2 * 1024 * 1024
"""Bytes that are worked on at a time: what one operation wrote is still in the cache for the next."""

_SAMPLES = 512
"""Samples that are worked on at a time, at most: a sum of sums is more exact than one long sum."""


def parts(rows: Array) -> Iterator[slice]:
    """`(batch, n)` in blocks of samples that stay in the cache."""
    return blocks(len(rows), max(rows.shape[1] * rows.itemsize, _BLOCK // _SAMPLES), _BLOCK)


def place_for(rows: Array, dtype: np.dtype[Any], own: bool) -> Array:
    """Where a result is written that takes the place of `rows`: there itself where that is allowed."""
    return rows if own and rows.dtype == dtype else empty(rows.shape, dtype)


def column_products(x: Array, y: Array) -> Array:
    """`(x * y).sum(axis=0)` without the product in memory: two `(batch, n)` to `(n,)`, same dtype."""
    sums: Array = np.einsum("bn,bn->n", x, y)
    return sums


def check_sizes(value: Written, *sizes: object) -> None:
    """Sizes of a sample are whole numbers of at least 1.

    Raises
    ------
    SpecError
        when one is not.
    """
    for size in sizes:
        if not isinstance(size, int) or size < 1:
            raise SpecError(f"{value!r}: a size is a whole number of at least 1, not {size!r}")


def check_eps(value: Written) -> None:
    """The field `eps` is added to a variance, which may be 0.

    Raises
    ------
    SpecError
        when it is not above 0.
    """
    eps = check_number(value, "eps")
    if not eps > 0:
        raise SpecError(f"{value!r}: eps is above 0, not {eps!r}")
