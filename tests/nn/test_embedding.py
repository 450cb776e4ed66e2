"""Vectors for whole numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import DataError, ShapeError
from akkordeon_dask.nn import _embedding
from tests.support.for_each import for_each

INTEGERS = [np.uint8, np.int8, np.int16, np.uint32, np.int32, np.int64, np.uint64]
pytestmark = pytest.mark.usefixtures("memory_of_layers")


def summed(x, dy, vocabulary):
    """The gradient, word by word."""
    return np.stack([dy[x == word].sum(axis=0) for word in range(vocabulary)])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    vocabulary=st.integers(1, 9), features=st.integers(1, 5), dtype=st.sampled_from(INTEGERS),
    shape=st.lists(st.integers(0, 4), max_size=2), chunk=st.sampled_from([1, 7, 10**6]), seed=st.integers(0, 999),
)  # fmt: skip
def test_a_word_is_looked_up_and_its_gradients_are_added(vocabulary, features, dtype, shape, chunk, seed):
    rng = np.random.default_rng(seed)
    layer = nn.Embedding(vocabulary, features)
    params = layer.init(rng, np.float64)
    x = rng.integers(0, vocabulary, (5, *shape)).astype(dtype)
    y, context = layer.forward(params, x)
    assert_array_equal(y, params["w"][x.astype(int)])
    dy = rng.normal(size=y.shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_embedding, "_CHUNK", chunk)
        dx, grads = layer.backward(context, dy)
    assert_allclose(grads["w"], summed(x, dy, vocabulary), rtol=1e-12, atol=1e-12)
    assert_array_equal(dx, np.zeros(x.shape))
    assert dx.dtype == np.float64


def test_the_gradient_is_finite_differences():
    rng = np.random.default_rng(0)
    layer, x = nn.Embedding(4, 3), np.array([[0, 2, 2], [2, 0, 3]])
    network = layer >> nn.Tanh() >> nn.Flatten() >> nn.Linear(9, 2)
    params = network.init(rng, np.float64)
    y, context = network.forward(params, x)
    dy = rng.normal(size=y.shape)
    dx, grads = network.backward(context, dy, need_dx=False)
    assert dx is None
    found = np.empty((4, 3))
    for index in np.ndindex(4, 3):
        step = np.zeros((4, 3))
        step[index] = 1e-6
        above, below = (({"w": params[0]["w"] + sign * step}, *params[1:]) for sign in (1, -1))
        found[index] = np.vdot(network.forward(above, x)[0] - network.forward(below, x)[0], dy) / 2e-6
    assert_allclose(grads[0]["w"], found, rtol=1e-6, atol=1e-8)
    assert_array_equal(grads[0]["w"][1], 0)


def test_a_word_that_is_repeated_gets_all_its_gradients():
    layer = nn.Embedding(3, 40)
    _, context = layer.forward(layer.init(np.random.default_rng(0)), np.ones((200, 100), np.uint8))
    dy = np.ones((200, 100, 40), np.float32)
    assert_array_equal(layer.backward(context, dy)[1]["w"], np.outer([0, 20_000, 0], np.ones(40)))
    assert_array_equal(layer.backward(context, np.asfortranarray(dy))[1]["w"][1], 20_000)


@for_each("dtype", INTEGERS)
def test_any_integers_are_words_and_the_parameters_give_the_dtype(dtype):
    layer, x = nn.Embedding(10, 3), np.array([[9, 0], [3, 9]], dtype)
    y, context = layer.forward(layer.init(np.random.default_rng(0)), x)
    dx, grads = layer.backward(context, y)
    assert y.dtype == dx.dtype == grads["w"].dtype == np.float32 == layer.output_dtype(x.dtype)
    assert dx.shape == x.shape and y.shape[1:] == layer.output_shape((2,)) == (2, 3)


@for_each("x, said", [
    (np.array([[3, 10]]), r"^index 10 is out of range: nn\.Embedding\(10, 3\) has words from 0 to 9: "),
    (np.array([[3, -1]], np.int8), "^index -1 is out of range"),
    (np.array([255], np.uint8), "^index 255 is out of range"),
    (np.array([2**64 - 1], np.uint64), "^index 18446744073709551615 is out of range"),
    (np.array([-(2**63), 2**63 - 1]), "^index -9223372036854775808 is out of range"),
])  # fmt: skip
def test_a_number_that_is_no_word_is_quoted_with_the_range(x, said):
    layer = nn.Embedding(10, 3)
    with pytest.raises(DataError, match=said):
        layer.forward(layer.init(np.random.default_rng(0)), x)


@for_each("x", [np.ones((2, 3)), np.ones((2, 3), np.float32), np.ones((2, 3), bool)])
def test_input_that_is_no_integer_is_refused(x):
    layer = nn.Embedding(10, 3)
    for call in (lambda: layer.forward(layer.init(np.random.default_rng(0)), x), lambda: layer.output_dtype(x.dtype)):
        with pytest.raises(ShapeError, match=rf"^nn\.Embedding\(10, 3\) takes integers, not {x.dtype}: \.astype"):
            call()


def test_nothing_that_was_received_is_written_into():
    layer = nn.Embedding(10, 3)
    params, x = layer.init(np.random.default_rng(0)), np.arange(6).reshape(2, 3)
    params["w"].flags.writeable = x.flags.writeable = False
    y, context = layer.forward(params, x, own=True)
    dy = y.copy()
    dy.flags.writeable = False
    first, again = (layer.backward(context, dy, own=True)[1]["w"] for _ in range(2))
    assert_array_equal(first, again)
    assert not np.shares_memory(y, params["w"])


def test_other_parameters_change_no_gradient():
    layer = nn.Embedding(10, 3)
    params, x = layer.init(np.random.default_rng(0)), np.arange(6)
    y, context = layer.forward(params, x)
    rebound = layer.rebind(context, layer.init(np.random.default_rng(1)))
    assert_array_equal(layer.backward(rebound, y)[1]["w"], layer.backward(context, y)[1]["w"])


def test_words_behind_a_view_are_looked_up_in_a_chain():
    chain = nn.Flatten() >> nn.Embedding(5, 2) >> nn.Flatten() >> nn.Linear(12, 3)
    assert chain.output_shape((2, 3)) == (3,) and chain.output_dtype(np.dtype(np.uint8)) == np.float32
    assert chain.multiply_adds((2, 3)) == 12 + 36
    assert nn.Embedding(5, 2).output_shape(None) is None and nn.Embedding(5, 2).multiply_adds(None) == 0
    y, context = chain.forward(chain.init(np.random.default_rng(0)), np.ones((4, 2, 3), np.uint8))
    dx, grads = chain.backward(context, y)
    assert_array_equal(dx, np.zeros((4, 2, 3)))
    assert grads[1]["w"][1].all() and not grads[1]["w"][[0, 2, 3, 4]].any()
