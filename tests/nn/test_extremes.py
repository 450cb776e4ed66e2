"""Inputs at the edge of their dtype: finite results stay finite, and different ones stay different."""

import numpy as np
from numpy.testing import assert_allclose

from akkordeon_dask import nn
from akkordeon_dask.tree import leaves, map_leaves
from tests.support.for_each import for_each
from tests.support.layer_cases import CASES

EXTREMES = {np.float16: 6e4, np.float32: 1e30}


@for_each("case", CASES)
@for_each("dtype", EXTREMES)
def test_no_layer_makes_nan_of_finite_numbers(case, dtype):
    greatest = EXTREMES[dtype]
    params = case.params(np.float32)
    x = np.clip(case.x(batch=40, dtype=np.float64) * greatest, -greatest, greatest).astype(dtype)
    with np.errstate(over="ignore"):  # a sum of two may overflow the dtype
        y, context = case.forward(params, x)
    exact, exact_context = case.forward(map_leaves(lambda leaf: leaf.astype(np.float64), params), x.astype(np.float64))
    assert_right(y, exact)
    dy = np.ones(y.shape, y.dtype)
    with np.errstate(over="ignore"):
        dx, grads = case.layer.backward(context, dy)
    exact_dx, exact_grads = case.layer.backward(exact_context, dy.astype(np.float64))
    assert_right(dx, exact_dx, only_finite=True)
    for one, other in zip(leaves(grads), leaves(exact_grads), strict=True):
        assert_right(one, other, only_finite=True)


def assert_right(found, exact, only_finite=False):
    """No NaN where the exact number fits the dtype; and the number itself, unless cancellation ate it."""
    assert not np.isnan(found[np.abs(exact) <= np.finfo(found.dtype).max]).any()
    finite = np.isfinite(found)
    if not only_finite and finite.any():
        assert_allclose(found[finite], exact[finite], rtol=4e-3, atol=4e-3 * np.abs(exact).max())


@for_each("dtype", [np.float16, np.float32, np.float64])
def test_gelu_is_a_line_on_both_sides_out_to_the_greatest_number(dtype):
    most = np.finfo(dtype).max
    far = [50, 1e3, most / 3, most] if dtype == np.float16 else [50, 1e14, 1e19, most / 3, most]
    x = np.array([[*far, *(-number for number in far)]], dtype)
    with np.errstate(all="raise", under="ignore"):
        y, context = nn.GELU().forward({}, x)
        slope, _ = nn.GELU().backward(context, np.ones_like(x))
    assert y.dtype == slope.dtype == dtype
    assert (y == np.maximum(x, 0)).all()
    assert (slope == (x > 0)).all()


@for_each("layer", [nn.AvgPool2d(16), nn.GlobalAvgPool2d()])
def test_a_mean_of_great_float16_is_their_mean(layer):
    x = np.full((2, 3, 16, 16), 6e4, np.float16)
    y, context = layer.forward({}, x)
    assert y.dtype == np.float16 and (y == np.float16(6e4)).all()
    dx, _ = layer.backward(context, np.ones_like(y))
    assert dx.dtype == np.float16
    assert_allclose(dx, 1 / 256)


@for_each("layer", [nn.MaxPool2d(3, stride=1, padding=1), nn.AvgPool2d(3, stride=1)])
def test_gradients_of_float16_that_overlap_are_added_up_in_float32(layer):
    x = np.arange(2 * 64, dtype=np.float16).reshape(2, 1, 8, 8)
    y, context = layer.forward({}, x)
    dy = np.resize(np.array([2048, 1, 1, 1, 1], np.float16), y.shape)
    wide, wide_context = layer.forward({}, x.astype(np.float64))
    dx, expected = layer.backward(context, dy)[0], layer.backward(wide_context, dy.astype(np.float64))[0]
    assert wide.shape == y.shape and (dx == expected.astype(np.float16)).all()


def test_softmax_of_great_float16_sums_to_one():
    y, _ = nn.Softmax().forward({}, np.array([[6e4, -6e4, 6e4], [-6e4, -6e4, -6e4]], np.float16))
    assert_allclose(y, [[0.5, 0, 0.5], [1 / 3] * 3], rtol=1e-3)
    many = np.zeros((1, 70_000), np.float16)
    assert_allclose(nn.Softmax().forward({}, many)[0], 1 / 70_000, rtol=0.02)


NORMALISERS = [nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.LayerNorm(3)]


@for_each("layer", NORMALISERS)
@for_each("dtype, size", [(np.float16, 6e4), (np.float32, 1e30), (np.float32, 3e-20)])
def test_normalised_numbers_have_unit_variance_at_any_size(layer, dtype, size):
    spread = np.random.default_rng(0).uniform(-1, 1, (50, 3, *(2, 2)[: 2 * isinstance(layer, nn.BatchNorm2d)]))
    x = (spread * size).astype(dtype)
    params, exact = layer.init(np.random.default_rng(0)), layer.init(np.random.default_rng(0), np.float64)
    y, context = layer.forward(params, x, train=True)
    assert y.dtype == np.float32
    assert_allclose(y, layer.forward(exact, x.astype(np.float64), train=True)[0], rtol=1e-4, atol=1e-4)
    dx, grads = layer.backward(context, np.ones_like(y))
    assert all(np.isfinite(leaf).all() for leaf in [dx, *leaves(grads)])


@for_each("layer", NORMALISERS[:2])
@for_each("spread", [1.0, 1e-3])
def test_dates_are_normalised_to_the_precision_of_float32(layer, spread):
    rng = np.random.default_rng(0)
    shape = (500, 3, *(2, 2)[: 2 * isinstance(layer, nn.BatchNorm2d)])
    x = 20_220_000 + spread * rng.normal(size=shape)
    axes = (0, *range(2, x.ndim))
    centred = x - 20_220_000
    expected = (centred - centred.mean(axes, keepdims=True)) / np.sqrt(centred.var(axes, keepdims=True) + layer.eps)
    y, context = layer.forward(layer.init(rng), x, train=True)
    assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    _, grads = layer.backward(context, np.ones_like(y))
    assert_allclose(grads["statistics"]["mean"], x.mean(axes), rtol=1e-7)
    assert_allclose(grads["statistics"]["var"], centred.var(axes, ddof=1), rtol=1e-4)


def test_dates_in_evaluation_are_right_in_float64():
    x = 20_220_000 + np.random.default_rng(0).normal(size=(500, 2))
    layer = nn.BatchNorm1d(2, momentum=0)
    params = layer.init(np.random.default_rng(0), np.float64)
    _, context = layer.forward(params, x, train=True)
    params = layer.advance(params, layer.backward(context, np.ones_like(x))[1])
    assert_allclose(layer.forward(params, x)[0], (x - x.mean(0)) / x.std(0, ddof=1), rtol=1e-3, atol=1e-3)


def test_a_sample_of_dates_is_normalised_to_the_precision_of_float32():
    x = 20_220_000 + np.random.default_rng(0).normal(size=(40, 30))
    y, _ = nn.LayerNorm(30).forward(nn.LayerNorm(30).init(np.random.default_rng(0)), x)
    assert_allclose(y, (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5), rtol=1e-5, atol=1e-5)


def test_a_chain_computes_with_float16_as_float32():
    x = np.array([[6e4, -6e4], [3e4, 6e4]], np.float16)
    chain = nn.Dropout(0.5) >> nn.LeakyReLU() >> nn.Linear(2, 3)
    params = chain.init(np.random.default_rng(0))
    assert chain.output_dtype(x.dtype) == np.float32
    y, context = chain.forward(params, x, train=True, key=nn.Key((0,)))
    same, _ = chain.forward(params, x.astype(np.float32), train=True, key=nn.Key((0,)))
    assert (y == same).all() and np.isfinite(y).all()
    dx, _ = chain.backward(context, np.ones_like(y))
    assert dx.dtype == x.dtype


def test_branches_of_float16_are_added_up_in_float32():
    x = np.array([[6e4, 2048.0]], np.float16)
    y, _ = nn.Parallel([nn.Flatten(), nn.Flatten(), nn.ReLU(), nn.LeakyReLU(0.5)]).forward(({},) * 4, x / 4)
    assert y.dtype == np.float16 and (y == x).all()
    ones = np.array([[2048.0, 1.0]], np.float16)
    y, _ = nn.Parallel([nn.Flatten(), nn.Tanh(), nn.Tanh()]).forward(({},) * 3, ones)
    assert y[0, 0] == 2050
