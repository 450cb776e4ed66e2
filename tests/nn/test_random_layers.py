"""Random layers: masks, their rates and their keys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import SpecError
from tests.support.for_each import for_each

ONES = np.ones((400, 300))


def dropped(rate, x=ONES):
    return nn.Dropout(rate).forward({}, x, train=True, key=nn.Key((1,)))[0]


@for_each("rate", [0.001, 0.07, 0.15, 0.5, 0.9, 0.999])
def test_dropout_drops_its_share_and_keeps_the_expectation(rate):
    y = dropped(rate)
    deviation = np.sqrt(rate * (1 - rate) / y.size)
    assert abs(np.mean(y == 0) - rate) < 5 * deviation
    assert abs(y.mean() - 1) < 5 * deviation / (1 - rate) + 2e-3 * rate
    assert_allclose(np.unique(y), [0, 1 / (1 - rate)], rtol=0.02 if rate > 0.99 else 1e-4)


@pytest.mark.parametrize("axis", [0, 1])
def test_neighbours_drop_independently(axis):
    gone = dropped(0.3) == 0
    pairs = np.logical_and(*(np.delete(gone, end, axis) for end in (0, -1)))
    assert abs(pairs.mean() - 0.09) < 0.006
    assert np.abs(gone.mean(axis=axis) - 0.3).max() < 5 * np.sqrt(0.21 / gone.shape[axis])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(shape=st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple), rate=st.floats(0.01, 0.99))
def test_a_unit_is_gone_or_scaled_up_whatever_the_shape(shape, rate):
    x = np.full(shape, 3.0, np.float32)
    y, context = nn.Dropout(rate).forward({}, x, train=True, key=nn.Key((5,)))
    assert y.shape == shape and y.dtype == x.dtype
    kept = y != 0
    assert_allclose(y[kept], 3 / (1 - rate), rtol=2e-3)
    assert_array_equal(nn.Dropout(rate).backward(context, x)[0], y)


@pytest.mark.parametrize("rate", [1e-300, 1e-6, 1 - 1e-6, 1 - 2**-53])
def test_extreme_rates_are_rounded_to_what_works(rate):
    y = dropped(rate)
    assert np.isfinite(y).all()
    assert set(np.unique(y)) <= {0.0, 1.0, 65536.0}


def test_dropout_draws_the_same_for_float32_and_float64():
    assert_array_equal(dropped(0.5), dropped(0.5, ONES.astype(np.float32)))


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.DropConnect(300, 20, 0.5)], ids=repr)
def test_another_key_draws_another_mask(layer):
    params = layer.init(np.random.default_rng(0), np.float64)

    def y(*entropy):
        return layer.forward(params, ONES, train=True, key=nn.Key(entropy))[0]

    assert_array_equal(y(1), y(1))
    for other in ((2,), (1, 0), (0, 1), (1, 1), (2**32,)):
        assert not np.array_equal(y(1), y(*other))


def test_the_layers_of_a_chain_draw_apart():
    half = nn.Dropout(0.5)
    chain = nn.Chain([half, nn.Chain([half, half]), half])
    y, _ = chain.forward(chain.init(np.random.default_rng(0)), ONES, train=True, key=nn.Key((1,)))
    assert set(np.unique(y)) == {0, 16}
    assert abs(np.mean(y != 0) - 1 / 16) < 0.005


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.DropConnect(4, 3, 0.5), nn.ReLU() >> nn.Dropout(0.5)], ids=repr)
def test_training_without_a_key_says_what_to_pass(layer):
    params, x = layer.init(np.random.default_rng(0)), np.ones((2, 4), np.float32)
    with pytest.raises(SpecError, match=r"\(.*0\.5\) draws a mask .* pass key=nn\.Key"):
        layer.forward(params, x, train=True)
    assert layer.forward(params, x)[0].shape[0] == 2


def test_no_key_is_needed_where_nothing_is_dropped():
    layer = nn.DropConnect(4, 3, 0) >> nn.Dropout(0)
    params = layer.init(np.random.default_rng(0), np.float64)
    x = np.ones((2, 4))
    assert_array_equal(layer.forward(params, x, train=True)[0], layer.forward(params, x)[0])


def test_drop_connect_drops_weights_and_biases_for_the_whole_batch():
    layer = nn.DropConnect(200, 150, 0.3)
    params = {"w": np.ones((200, 150)), "b": np.ones(150)}
    zero, one_hot = np.zeros((1, 200)), np.eye(200)
    y, _ = layer.forward(params, np.concatenate([zero, zero, one_hot]), train=True, key=nn.Key((1,)))
    bias, w = y[0], y[2:] - y[0]
    assert_array_equal(y[0], y[1])
    for part, tolerance in ((bias, 0.2), (w, 0.015)):
        assert_allclose(np.unique(part.round(9)), [0, 1 / 0.7], rtol=1e-4)
        assert abs(np.mean(np.abs(part) < 1e-9) - 0.3) < tolerance


def test_dropped_weights_get_no_gradient():
    layer = nn.DropConnect(20, 30, 0.5)
    params = {"w": np.ones((20, 30)), "b": np.ones(30)}
    eye = np.concatenate([np.zeros((1, 20)), np.eye(20)])
    y, context = layer.forward(params, eye, train=True, key=nn.Key((1,)))
    _, grads = layer.backward(context, np.ones_like(y))
    assert_array_equal(grads["w"] == 0, y[1:] - y[0] == 0)
    assert_array_equal(grads["b"] == 0, y[0] == 0)
    assert_array_equal(np.unique(grads["w"]), [0, 2])


def test_drop_connect_through_other_weights_keeps_its_mask():
    rng = np.random.default_rng(0)
    layer = nn.DropConnect(6, 5, 0.5)
    params, others = layer.init(rng, np.float64), layer.init(rng, np.float64)
    x, dy, how = rng.normal(size=(3, 6)), rng.normal(size=(3, 5)), {"train": True, "key": nn.Key((1,))}
    rebound = layer.rebind(layer.forward(params, x, **how)[1], others)
    expected = layer.backward(layer.forward(others, x, **how)[1], dy)
    assert_array_equal(layer.backward(rebound, dy)[0], expected[0])


def test_drop_connect_uses_the_mean_weights_when_it_does_not_train():
    rng = np.random.default_rng(0)
    layer = nn.DropConnect(10, 5, 0.3)
    params, x = layer.init(rng, np.float64), rng.normal(size=(4, 10))
    y, _ = layer.forward(params, x)
    assert_array_equal(y, nn.Linear(10, 5).forward(params, x)[0])
    draws = [layer.forward(params, x, train=True, key=nn.Key((1, number)))[0] for number in range(2000)]
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - y) < 5 * error).all()
