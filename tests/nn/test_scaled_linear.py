"""Bytes that are scaled and multiplied in one piece, against the two layers one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.nn import _scaled_linear
from akkordeon_dask.nn._scaled_linear import ScaledLinear

bounded = settings(max_examples=60, deadline=None, derandomize=True)
close = {np.float64: 1e-12, np.float32: 2e-4}


def steps(chain, x):
    return [type(step.layer) for step in chain._plan.steps(x.dtype)]


@bounded
@given(
    kind=st.sampled_from([np.uint8, np.int8]),
    dtype=st.sampled_from([np.float64, np.float32]),
    mean=st.floats(-50, 200),
    std=st.floats(12.5, 100),
    batch=st.integers(1, 40),
    bias=st.booleans(),
    rows=st.integers(1, 50),
    seed=st.integers(0, 5),
)
def test_scaled_linear_is_scale_and_linear(kind, dtype, mean, std, batch, bias, rows, seed):
    scale, linear = nn.Scale(mean, std), nn.Linear(7, 5, bias=bias)
    chain = scale >> linear
    rng = np.random.default_rng(seed)
    limits = np.iinfo(kind)
    x = rng.integers(limits.min, limits.max, (batch, 7), dtype=kind, endpoint=True)
    dy = rng.normal(size=(batch, 5)).astype(dtype)
    params = chain.init(rng, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_scaled_linear, "_BLOCK", rows * 7 * np.dtype(dtype).itemsize)
        y, context = chain.forward(params, x, train=True)
        _, grads = chain.backward(context, dy, need_dx=False)
    assert steps(chain, x) == [ScaledLinear]
    scaled, _ = scale.forward({}, x.astype(dtype))
    expected, inner = linear.forward(params[1], scaled)
    _, expected_grads = linear.backward(inner, dy, need_dx=False)
    size = 1 + np.abs(scaled).max() + (abs(mean) + 255) / std
    assert_allclose(y, expected, atol=close[dtype] * size)
    assert grads[0] == {} and list(grads[1]) == list(expected_grads)
    for name, grad in grads[1].items():
        assert grad.dtype == dtype
        assert_allclose(grad, expected_grads[name], atol=close[dtype] * size * batch)


def test_the_gradient_by_bytes_is_that_of_the_two():
    chain = nn.Scale(3, 2) >> nn.Linear(4, 3)
    params = chain.init(np.random.default_rng(0), np.float64)
    x, dy = np.arange(8, dtype=np.uint8).reshape(2, 4), np.ones((2, 3))
    _, context = chain.forward(params, x)
    assert_allclose(chain.backward(context, dy)[0], dy @ params[1]["w"].T / 2)


def test_the_context_keeps_the_bytes_themselves():
    chain = nn.Scale(3, 2) >> nn.Linear(4, 3) >> nn.ReLU()
    params = chain.init(np.random.default_rng(0))
    x = np.arange(8, dtype=np.uint8).reshape(2, 4)
    x.flags.writeable = False
    _, context = chain.forward(params, x, train=True)
    assert context.items[0].x is x


def test_other_parameters_can_be_put_under_it():
    chain = nn.Scale(3, 2) >> nn.Linear(4, 3)
    old, new = (chain.init(np.random.default_rng(seed), np.float64) for seed in (0, 1))
    x, dy = np.arange(8, dtype=np.uint8).reshape(2, 4), np.ones((2, 3))
    _, context = chain.forward(old, x)
    _, direct = chain.forward(new, x)
    rebound = chain.rebind(context, new)
    assert_array_equal(chain.backward(rebound, dy)[0], chain.backward(direct, dy)[0])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_input_other_than_bytes_takes_the_two_layers(dtype):
    chain = nn.Scale(3, 2) >> nn.Linear(4, 3)
    assert steps(chain, np.zeros((2, 4), dtype)) == [nn.Scale, nn.Linear]


def test_a_layer_of_the_users_own_is_left_alone():
    class Doubled(nn.Linear):
        """Twice a linear layer."""

    chain = nn.Scale(3, 2) >> Doubled(4, 3)
    assert steps(chain, np.zeros((2, 4), np.uint8)) == [nn.Scale, Doubled]


def test_a_mean_of_many_deviations_is_taken_off_before_the_product():
    scale, linear = nn.Scale(200, 0.01), nn.Linear(64, 3)
    chain = scale >> linear
    params = chain.init(np.random.default_rng(0))
    x = np.random.default_rng(1).integers(199, 202, (32, 64)).astype(np.uint8)
    y, _ = chain.forward(params, x)
    exact = (x.astype(np.float64) - 200) / 0.01 @ params[1]["w"].astype(np.float64)
    assert_allclose(y, exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())
    assert steps(chain, x) == [nn.Scale, nn.Linear]
