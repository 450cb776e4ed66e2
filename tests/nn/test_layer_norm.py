"""Layer normalisation against its formula in float64."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.nn import _normalisation

BLOCKS = [1, 100, 10**9]


def params_of(layer, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.5, 2, leaf.shape).astype(dtype) for name, leaf in layer.init(rng).items()}


def by_hand(x, params, eps):
    axes = tuple(range(1, x.ndim))
    x = x.astype(np.float64)
    mean, var = (moment(x, axis=axes, keepdims=True) for moment in (np.mean, np.var))
    return (x - mean) / np.sqrt(var + eps) * params["w"] + params["b"]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple),
    batch=st.integers(1, 6), level=st.floats(-20, 20), seed=st.integers(0, 999), block=st.sampled_from(BLOCKS),
)  # fmt: skip
def test_a_sample_is_normalised_by_itself_in_training_or_not(shape, batch, level, seed, block):
    layer = nn.LayerNorm(shape, eps=0.01)
    params, x = params_of(layer, seed=seed), np.random.default_rng(seed).normal(level, 3, (batch, *shape))
    with mock.patch.object(_normalisation, "_BLOCK", block):
        y, _ = layer.forward(params, x, train=True)
        plain, _ = layer.forward(params, x)
    assert_allclose(y, by_hand(x, params, layer.eps), rtol=1e-10, atol=1e-11)
    assert_array_equal(y, plain)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", [(300,), (5, 6, 7)], ids=repr)
def test_a_mean_far_above_the_deviation_does_no_harm_in_float32(shape, block, monkeypatch):
    monkeypatch.setattr(_normalisation, "_BLOCK", block)
    rng = np.random.default_rng(0)
    x, dy = rng.normal(1e4, 1, (9, *shape)).astype(np.float32), rng.normal(size=(9, *shape)).astype(np.float32)
    layer = nn.LayerNorm(shape)
    params, exact_params = params_of(layer, np.float32), params_of(layer)
    y, context = layer.forward(params, x)
    assert_allclose(y, by_hand(x, exact_params, layer.eps), rtol=0, atol=3e-6)
    _, exact = layer.forward(exact_params, x.astype(np.float64))
    dx, grads = layer.backward(context, dy)
    exact_dx, exact_grads = layer.backward(exact, dy.astype(np.float64))
    assert_allclose(dx, exact_dx, rtol=0, atol=3e-6)
    for name in ("w", "b"):
        assert_allclose(grads[name], exact_grads[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e4])
def test_a_sample_of_one_value_is_normalised_to_b(value):
    layer = nn.LayerNorm((3, 5))
    params = params_of(layer, np.float32)
    y, _ = layer.forward(params, np.full((4, 3, 5), value, np.float32))
    assert_allclose(y, np.broadcast_to(params["b"], y.shape), rtol=1e-6)


def test_a_number_stands_for_a_shape_of_one_axis():
    x = np.random.default_rng(0).normal(size=(3, 7))
    one, other = nn.LayerNorm(7), nn.LayerNorm((7,))
    assert one.input_shape == other.input_shape == (7,)
    assert_array_equal(one.forward(params_of(one), x)[0], other.forward(params_of(other), x)[0])


def test_a_layer_norm_goes_backward_through_other_weights():
    layer = nn.LayerNorm(4)
    x, dy = np.random.default_rng(0).normal(size=(2, 3, 4))
    params, others = params_of(layer), params_of(layer, seed=1)
    _, context = layer.forward(params, x)
    _, direct = layer.forward(others, x)
    dx, grads = layer.backward(layer.rebind(context, others), dy)
    assert_allclose(dx, layer.backward(direct, dy)[0])
    assert_array_equal(grads["w"], layer.backward(context, dy)[1]["w"])


def test_a_float32_network_on_float64_data_works_in_float32():
    layer, x = nn.LayerNorm(4), np.random.default_rng(0).normal(size=(3, 4))
    y, context = layer.forward(params_of(layer, np.float32), x, own=True)
    dx, grads = layer.backward(context, x, own=True)
    assert {y.dtype, dx.dtype, grads["w"].dtype, grads["b"].dtype} == {np.dtype(np.float32)}


def test_an_array_of_its_own_is_normalised_in_place():
    layer, x = nn.LayerNorm((2, 2)), np.random.default_rng(0).normal(size=(3, 2, 2))
    y, context = layer.forward(params_of(layer), x, own=True)
    assert np.shares_memory(context.normalised, x) and not np.shares_memory(y, x)
    dy = np.ones_like(x)
    assert np.shares_memory(layer.backward(context, dy, own=True)[0], dy)


@pytest.mark.parametrize(("layer", "shape", "said"), [
    (nn.LayerNorm(4), (5,), r"nn\.LayerNorm\(4\) takes samples of shape \(4,\), not \(5,\)"),
    (nn.LayerNorm(4), (3, 4), r"not \(3, 4\)"),
    (nn.LayerNorm((3, 4)), (4, 3), r"nn\.LayerNorm\(\(3, 4\)\) takes samples of shape \(3, 4\), not \(4, 3\)"),
])  # fmt: skip
def test_samples_that_do_not_fit_are_named_with_what_fits(layer, shape, said):
    with pytest.raises(ShapeError, match=said):
        layer.output_shape(shape)
    assert layer.output_shape(None) == layer.input_shape and layer.keeps_shape
