"""Layers against formulas written out again."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.nn import _scale
from tests.support.for_each import for_each

X = np.array([[-1e9, -800.0, -3.0, -0.5, -1e-30], [0.0, 1e-30, 0.5, 3.0, 800.0]])


def y_of(layer, x, **how):
    return layer.forward({}, x, **how)[0]


def test_relu_keeps_what_is_positive():
    assert_array_equal(y_of(nn.ReLU(), X), np.where(X > 0, X, 0))


ACTIVATIONS = [nn.ReLU(), nn.LeakyReLU(), nn.GELU(), nn.Tanh(), nn.Sigmoid(), nn.Scale(1, 2)]


@for_each("layer", ACTIVATIONS)
@for_each("shape", [(1, 1), (3, 37)])
def test_nan_stays_visible(layer, shape):
    for sign in (1, -1):
        x = np.ones(shape, np.float32)
        x[-1, -1] = math.copysign(math.nan, sign)
        assert math.isnan(y_of(layer, x)[-1, -1])


@pytest.mark.parametrize("slope", [0, 0.01, 0.7])
def test_leaky_relu_lets_its_slope_through(slope):
    y, context = nn.LeakyReLU(slope).forward({}, X)
    assert_array_equal(y, np.where(X > 0, X, slope * X))
    dx, _ = nn.LeakyReLU(slope).backward(context, np.ones_like(X))
    assert_array_equal(dx, np.where(y > 0, 1.0, slope))


def test_gelu_is_near_its_exact_form():
    x = np.linspace(-6, 6, 1001).reshape(1, -1)
    exact = x * np.vectorize(lambda v: (1 + math.erf(v / math.sqrt(2))) / 2)(x)
    assert 1e-5 < np.abs(y_of(nn.GELU(), x) - exact).max() < 5e-4


def test_sigmoid_is_accurate_and_overflows_for_no_input():
    x = np.linspace(-700, 30, 1001).reshape(1, -1)
    assert_allclose(y_of(nn.Sigmoid(), x), 1 / (1 + np.exp(-x)), rtol=1e-14)
    with np.errstate(all="raise", under="ignore"):
        far, context = nn.Sigmoid().forward({}, np.array([[-1e30, -1e4, 1e4, 1e30]], np.float32))
        assert_array_equal(far, [[0, 0, 1, 1]])
        assert_array_equal(nn.Sigmoid().backward(context, np.ones_like(far))[0], 0)


def test_flatten_returns_a_view():
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    y, context = nn.Flatten().forward({}, x)
    assert_array_equal(y, [range(12), range(12, 24)])
    assert np.shares_memory(x, y)
    assert np.shares_memory(nn.Flatten().backward(context, y)[0], y)


def test_dropout_is_nothing_where_it_does_not_train():
    x = np.ones((2, 3))
    for layer, train in ((nn.Dropout(0.5), False), (nn.Dropout(0.0), True)):
        y, context = layer.forward({}, x, train=train)
        assert y is x
        assert layer.backward(context, y)[0] is y


@for_each("dtype, expected", [
    (np.uint8, np.float32), (np.int16, np.float32), (np.int64, np.float32),
    (np.float16, np.float16), (np.float32, np.float32), (np.float64, np.float64),
])  # fmt: skip
def test_scale_standardises_and_makes_floats_of_integers(dtype, expected):
    x = np.arange(200).reshape(4, 50).astype(dtype)
    scale = nn.Scale(99.5, 57.7)
    y = y_of(scale, x)
    assert y.dtype == expected == scale.output_dtype(np.dtype(dtype))
    exact = (x.astype(np.float64) - 99.5) / 57.7
    assert_allclose(y, exact, rtol=0, atol=4 * np.finfo(expected).eps)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(129, 61), (7, 4, 5), (3,), (4, 0)])
def test_scale_computes_the_same_bits_in_any_chunks(dtype, shape, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    scale = nn.Scale(33.3, 78.6)
    results = [y_of(scale, x)]
    for chunk in (1, 1000, 5000, 10**9):
        monkeypatch.setattr(_scale, "_CHUNK", chunk)
        results += [y_of(scale, x), y_of(scale, x.copy(), own=True)]
    assert {result.tobytes() for result in results} == {results[0].tobytes()}


def test_scale_writes_into_floats_that_it_owns_alone():
    x = np.ones((2, 3), np.float32)
    assert y_of(nn.Scale(0.5, 2), x, own=True) is x
    assert not np.shares_memory(y_of(nn.Scale(0.5, 2), x), x)
    assert_array_equal(x, 0.25)


def test_linear_through_other_parameters():
    rng = np.random.default_rng(0)
    layer = nn.Linear(4, 3)
    params, others = layer.init(rng, np.float64), layer.init(rng, np.float64)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    y, context = layer.forward(params, x)
    assert_allclose(y, x @ params["w"] + params["b"])
    dx, grads = layer.backward(layer.rebind(context, others), dy)
    assert_allclose(dx, dy @ others["w"].T)
    assert_allclose(grads["w"], x.T @ dy)
    assert_allclose(grads["b"], dy.sum(axis=0))


def test_a_chain_through_other_parameters():
    rng = np.random.default_rng(0)
    chain = nn.Linear(4, 6) >> nn.ReLU() >> nn.Linear(6, 2)
    params, others = chain.init(rng, np.float64), chain.init(rng, np.float64)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    _, context = chain.forward(params, x)
    hidden = np.maximum(x @ params[0]["w"] + params[0]["b"], 0)
    dx, grads = chain.backward(chain.rebind(context, others), dy)
    behind = (dy @ others[2]["w"].T) * (hidden > 0)
    assert_allclose(grads[2]["w"], hidden.T @ dy)
    assert_allclose(grads[0]["w"], x.T @ behind)
    assert_allclose(dx, behind @ others[0]["w"].T)


def test_a_float32_network_on_float64_data_works_in_float32():
    layer = nn.Linear(3, 2)
    y, context = layer.forward(layer.init(np.random.default_rng(0)), np.ones((4, 3)))
    dx, grads = layer.backward(context, y)
    assert {y.dtype, dx.dtype, grads["w"].dtype, grads["b"].dtype} == {np.dtype(np.float32)}


def test_biases_begin_at_zero_and_weights_do_not():
    params = nn.Linear(3, 2).init(np.random.default_rng(0))
    assert_array_equal(params["b"], np.zeros(2, np.float32))
    assert params["w"].all()
    assert list(nn.Linear(3, 2, bias=False).init(np.random.default_rng(0))) == ["w"]
