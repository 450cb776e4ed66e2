"""Scores as probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError

bounded = settings(max_examples=40, deadline=None, derandomize=True)
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@bounded
@given(batch=st.integers(0, 4), shape=shapes, spread=st.floats(0.1, 100), seed=st.integers(0, 999))
def test_probabilities_are_positive_and_add_up_to_one(batch, shape, spread, seed):
    x = np.random.default_rng(seed).normal(size=(batch, *shape)) * spread
    y, _ = nn.Softmax().forward({}, x)
    assert_allclose(y, np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True), rtol=1e-10)
    assert_allclose(y.sum(axis=-1), 1, rtol=1e-12)
    assert (y >= 0).all()


@bounded
@given(batch=st.integers(1, 4), classes=st.integers(1, 6), seed=st.integers(0, 999))
def test_the_gradient_is_that_of_the_whole_jacobian(batch, classes, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(2, batch, classes))
    y, context = nn.Softmax().forward({}, x)
    dx, _ = nn.Softmax().backward(context, dy)
    for p, its, gradient in zip(y, dy, dx, strict=True):
        assert_allclose(gradient, (np.diag(p) - np.outer(p, p)) @ its, rtol=1e-9, atol=1e-14)


def test_in_front_of_the_logarithm_it_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])
    rows = np.arange(6)
    loss, expected = nn.SoftmaxCrossEntropy()(x, target)
    y, context = nn.Softmax().forward({}, x)
    assert_allclose(-np.log(y[rows, target]).mean(), loss)
    dy = np.zeros_like(y)
    dy[rows, target] = -1 / (6 * y[rows, target])
    assert_allclose(nn.Softmax().backward(context, dy)[0], expected, atol=1e-14)


def test_no_score_overflows():
    x = np.array([[1e30, -1e30, 0], [800, 799, -np.inf]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        y, context = nn.Softmax().forward({}, x)
        dx, _ = nn.Softmax().backward(context, np.ones_like(y))
    assert_allclose(y, [[1, 0, 0], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1)), 0]], rtol=1e-6)
    assert_allclose(dx, 0, atol=1e-6)


def test_nan_stays_visible_in_its_row():
    y, _ = nn.Softmax().forward({}, np.array([[1, np.nan], [1, 1]]))
    assert np.isnan(y[0]).all()
    assert_array_equal(y[1], 0.5)


def test_softmax_writes_into_its_own_input_and_keeps_its_output():
    assert nn.Softmax().keeps_output
    x, dy = np.ones((2, 4)), np.ones((2, 4))
    y, context = nn.Softmax().forward({}, x, own=True)
    assert y is x and y is context
    assert nn.Softmax().backward(context, dy, own=True)[0] is dy


@pytest.mark.parametrize("shape", [(), (0,), (3, 0)])
def test_a_sample_without_scores_is_refused(shape):
    for call in (lambda: nn.Softmax().output_shape(shape), lambda: nn.Softmax().forward({}, np.ones((2, *shape)))):
        with pytest.raises(ShapeError, match=r"nn\.Softmax\(\) takes samples of one score or more .*, not of shape \("):
            call()


def test_shapes_and_integers():
    softmax = nn.Softmax()
    assert softmax.keeps_shape and softmax.output_shape((2, 3)) == (2, 3) and softmax.output_shape(None) is None
    assert (softmax >> nn.Linear(4, 2)).input_shape == (4,)
    with pytest.raises(ShapeError, match=r"nn\.Softmax\(\) takes floating point, not uint8: put nn\.Scale"):
        softmax.output_dtype(np.dtype(np.uint8))
