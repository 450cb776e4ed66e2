"""Pooling against its formula."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from tests.support.paddings import around, both, paddings

bounded = settings(max_examples=80, deadline=None, derandomize=True)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))


def windows(layer, x, fill):
    """The pixels of each window: (batch, channels, *positions, rows, columns)."""
    x = np.pad(x, ((0, 0), (0, 0), *around(layer, x.shape[1:])), constant_values=fill)
    down, right = both(layer.kernel_size if layer.stride is None else layer.stride)
    seen = np.lib.stride_tricks.sliding_window_view(x, both(layer.kernel_size), axis=(2, 3))
    return seen[:, :, ::down, ::right]


@st.composite
def pooled(draw, kind):
    size = draw(pairs)
    layer = kind(size, stride=draw(st.none() | pairs), padding=draw(paddings(*(n // 2 for n in size))))
    shape = (2, draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    try:
        layer.output_shape(shape)
    except ShapeError:
        assume(False)
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(draw(st.integers(1, 3)), *shape))
    return layer, x


@bounded
@given(pooled(nn.MaxPool2d))
def test_the_greatest_of_each_window_gets_its_gradient(case):
    layer, x = case
    y, context = layer.forward({}, x, train=True)
    seen = windows(layer, x, -np.inf)
    assert_array_equal(y, seen.max(axis=(4, 5)))
    dy = np.random.default_rng(0).normal(size=y.shape)
    dx, _ = layer.backward(context, dy)
    expected = np.zeros_like(x)
    for index in np.ndindex(y.shape):
        # No two numbers are equal: the greatest is found by its value.
        expected[index[:2]][x[index[:2]] == y[index]] += dy[index]
    assert_allclose(dx, expected, atol=1e-12)


@bounded
@given(pooled(nn.AvgPool2d))
def test_the_mean_of_each_window_is_linear(case):
    layer, x = case
    y, context = layer.forward({}, x)
    assert_allclose(y, windows(layer, x, 0).mean(axis=(4, 5)), atol=1e-13)
    dy, direction = np.random.default_rng(0).normal(size=y.shape), np.random.default_rng(1).normal(size=x.shape)
    dx, _ = layer.backward(context, dy)
    assert_allclose(np.vdot(dx, direction), np.vdot(dy, layer.forward({}, direction)[0]), atol=1e-11)


@pytest.mark.parametrize("size", [2, 3, (1, 300)])
def test_of_equal_numbers_exactly_one_gets_the_gradient(size):
    layer = nn.MaxPool2d(size)
    rows, columns = both(size)
    x = np.zeros((2, 3, rows, columns), np.float32)
    _, context = layer.forward({}, x, train=True)
    dx, _ = layer.backward(context, np.ones((2, 3, 1, 1), np.float32))
    assert_array_equal(np.count_nonzero(dx, axis=(2, 3)), 1)
    assert_array_equal(dx.sum(axis=(2, 3)), 1)


def test_a_window_of_more_than_255_pixels_finds_its_last():
    layer = nn.MaxPool2d((1, 300))
    x = np.arange(300, dtype=np.float32).reshape(1, 1, 1, 300)
    y, context = layer.forward({}, x, train=True)
    dx, _ = layer.backward(context, np.ones_like(y))
    assert y.item() == 299 and dx[..., -1].item() == 1 and dx.sum() == 1


def test_nothing_but_negative_numbers_under_padding_stays_negative():
    y, _ = nn.MaxPool2d(2, padding=1).forward({}, np.full((1, 1, 2, 2), -3.0))
    assert_array_equal(y, -3)


def test_nan_is_not_hidden():
    x = np.zeros((1, 1, 2, 2))
    x[0, 0, 1, 0] = np.nan
    assert np.isnan(nn.MaxPool2d(2).forward({}, x)[0]).all()
    assert np.isnan(nn.AvgPool2d(2).forward({}, x)[0]).all()


def test_a_global_mean_takes_images_of_any_size():
    for size in ((1, 1), (3, 5)):
        x = np.random.default_rng(0).normal(size=(4, 2, *size))
        assert_allclose(nn.GlobalAvgPool2d().forward({}, x)[0], x.mean(axis=(2, 3)))
