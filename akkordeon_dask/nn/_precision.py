"""Numbers that are too short to add up."""

import numpy as np

from akkordeon_dask.tree import Array

__all__ = ["widened"]


def widened(x: Array) -> Array:
    """`x` itself, or as float32 where it is float16: sums and squares of those overflow above 65504."""
    return x.astype(np.float32) if x.dtype == np.float16 else x
