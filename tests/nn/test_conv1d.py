"""Convolution of sequences."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from tests.support.for_each import for_each

bounded = settings(max_examples=60, deadline=None, derandomize=True)
small = st.integers(1, 3)
sides = st.integers(0, 2)


@bounded
@given(small, small, small, sides | st.tuples(sides, sides), small, st.integers(1, 9), st.integers(0, 99))
def test_a_step_is_the_sum_of_a_window_times_its_weights(window, stride, channels, padding, dilation, steps, seed):
    layer = nn.Conv1d(channels, 2, window, stride, padding, dilation)
    try:
        (_, count) = layer.output_shape((channels, steps))
    except ShapeError:
        assume(False)
    rng = np.random.default_rng(seed)
    params, x = layer.init(rng, np.float64), rng.normal(size=(3, channels, steps))
    y, _ = layer.forward(params, x)
    padded = np.pad(x, ((0, 0), (0, 0), padding if isinstance(padding, tuple) else (padding, padding)))
    assert y.shape == (3, 2, count)
    for step in range(count):
        seen = padded[:, :, step * stride :][:, :, : dilation * (window - 1) + 1 : dilation]
        assert_allclose(y[:, :, step], np.einsum("nck,ock->no", seen, params["w"]) + params["b"], atol=1e-12)


def test_a_causal_layer_sees_no_later_step():
    layer = nn.Conv1d(2, 3, 3, padding=(4, 0), dilation=2)
    rng = np.random.default_rng(0)
    params, x = layer.init(rng), rng.normal(size=(1, 2, 8)).astype(np.float32)
    y, _ = layer.forward(params, x)
    changed = x.copy()
    changed[:, :, 5:] += 1
    other, _ = layer.forward(params, changed)
    assert_array_equal(y[:, :, :5], other[:, :, :5])
    assert (y[:, :, 5:] != other[:, :, 5:]).any()


@for_each("shape, said", [
    ((2, 5, 5), r"takes sequences of \(channels, steps\): put nn\.Reshape.* samples have shape \(2, 5, 5\)"),
    ((3, 5), r"takes 2 channels, not 3"),
    ((2, 2), r"nn\.Conv1d\(2, 1, 3\) has a window that is larger than 2 steps"),
])  # fmt: skip
def test_samples_that_are_no_sequences_are_refused(shape, said):
    with pytest.raises(ShapeError, match=said):
        nn.Conv1d(2, 1, 3).output_shape(shape)


def test_an_unknown_length_stays_unknown():
    assert nn.Conv1d(2, 6, 3).output_shape((2, None)) == (6, None)
    assert nn.Conv1d(2, 6, 3).output_shape(None) == (6, None)
