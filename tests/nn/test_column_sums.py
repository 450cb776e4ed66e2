"""Sums over a batch."""

import numpy as np
from numpy.testing import assert_allclose

from akkordeon_dask.nn._column_sums import column_sums
from tests.support.for_each import for_each


@for_each("dtype, rtol", [(np.float32, 1e-4), (np.float64, 1e-12)])
@for_each("shape", [(1024, 50), (1, 1), (3, 0), (0, 3), (7, 300)])
def test_sums_over_a_batch(shape, dtype, rtol):
    dy = np.random.default_rng(0).random(shape).astype(dtype)
    assert column_sums(dy).dtype == dtype
    assert_allclose(column_sums(dy), dy.astype(np.float64).sum(axis=0), rtol=rtol)
    assert np.array_equal(column_sums(dy), column_sums(dy))
