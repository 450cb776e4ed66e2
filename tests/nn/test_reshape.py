"""Samples in another shape."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError

bounded = settings(max_examples=60, deadline=None, derandomize=True)
shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)


@bounded
@given(batch=st.integers(0, 3), shape=shapes, data=st.data())
def test_the_numbers_stay_in_their_order(batch, shape, data):
    new = data.draw(st.permutations(shape)) if shape else data.draw(st.sampled_from([(), (1,), (1, 1)]))
    unknown = data.draw(st.integers(0, len(new) - 1)) if new else None
    written = tuple(-1 if index == unknown else size for index, size in enumerate(new))
    x = np.arange(batch * math.prod(shape), dtype=np.uint8).reshape(batch, *shape)
    for layer in (nn.Reshape(tuple(new)), nn.Reshape(written)):
        y, context = layer.forward({}, x)
        assert_array_equal(y, x.reshape(batch, *new))
        assert layer.output_shape(shape) == y.shape[1:] == tuple(new)
        assert batch == 0 or np.shares_memory(x, y)
        dx, grads = layer.backward(context, y)
        assert_array_equal(dx, x)
        assert grads == {} and layer.backward(context, y, need_dx=False) == (None, {})


@bounded
@given(shape=shapes)
def test_flatten_is_the_reshape_to_one_size(shape):
    x = np.arange(2 * math.prod(shape)).reshape(2, *shape)
    assert_array_equal(nn.Flatten().forward({}, x)[0], nn.Reshape((-1,)).forward({}, x)[0])
    assert nn.Flatten().output_shape(shape) == nn.Reshape((-1,)).output_shape(shape) == (math.prod(shape),)
    assert nn.Flatten() != nn.Reshape((-1,)) and repr(nn.Flatten()) == "nn.Flatten()"


def test_bytes_become_images_in_front_of_a_network():
    x = np.random.default_rng(0).integers(0, 256, (5, 784)).astype(np.uint8)
    chain = nn.Reshape((1, 28, 28)) >> nn.Scale(33.3, 78.6) >> nn.Conv2d(1, 2, 5) >> nn.Flatten() >> nn.Linear(1152, 3)
    assert chain.output_shape((784,)) == chain.output_shape(None) == (3,)
    assert chain.output_dtype(x.dtype) == np.float32
    params = chain.init(np.random.default_rng(0))
    y, context = chain.forward(params, x)
    images = ((x.reshape(5, 1, 28, 28) - 33.3) / 78.6).astype(np.float32)
    assert_allclose(y, chain[2:].forward(params[2:], images)[0], rtol=1e-4, atol=1e-4)
    dx, grads = chain.backward(context, y, need_dx=False)
    assert dx is None and grads[:2] == ({}, {}) and grads[2]["w"].shape == (2, 1, 5, 5)
    assert chain.backward(context, y)[0].shape == x.shape


def test_bytes_in_another_shape_are_still_bytes_for_an_affine_layer():
    x = np.random.default_rng(0).integers(0, 256, (5, 2, 3)).astype(np.uint8)
    chain = nn.Reshape((3, 2)) >> nn.Reshape((6,)) >> nn.Scale(100, 50) >> nn.Linear(6, 2)
    params = chain.init(np.random.default_rng(0))
    y, context = chain.forward(params, x)
    assert_allclose(y, (x.reshape(5, 6).astype(np.float64) - 100) / 50 @ params[3]["w"], rtol=1e-4, atol=1e-5)
    assert chain.backward(context, y)[0].shape == x.shape
    assert chain.backward(context, y, need_dx=False)[1][:3] == ({}, {}, {})


def test_input_that_is_not_contiguous_is_copied():
    x = np.arange(24).reshape(4, 3, 2).transpose(2, 1, 0)
    y, context = nn.Reshape((4, 3)).forward({}, x)
    assert_array_equal(y, np.ascontiguousarray(x).reshape(2, 4, 3))
    assert_array_equal(nn.Reshape((4, 3)).backward(context, y)[0], x)


def test_shapes_are_known_when_they_are_written_out():
    assert nn.Reshape((1, 28, 28)).output_shape(None) == (1, 28, 28)
    assert nn.Reshape((1, -1)).output_shape(None) is None
    with pytest.raises(ShapeError, match=r"takes 5 features, not 6"):
        nn.Reshape((6,)) >> nn.Linear(5, 2)


@pytest.mark.parametrize(("layer", "shape", "said"), [
    (nn.Reshape((1, 28, 28)), (783,), r"^nn\.Reshape\(\(1, 28, 28\)\) takes 784 numbers .* \(783,\) have 783$"),
    (nn.Reshape((4, -1)), (2, 3), r"takes a multiple of 4 numbers a sample, samples of shape \(2, 3\) have 6$"),
    (nn.Reshape(()), (2,), r"takes 1 numbers a sample, samples of shape \(2,\) have 2$"),
])  # fmt: skip
def test_sizes_that_do_not_fit_are_named_from_both_sides(layer, shape, said):
    for call in (lambda: layer.output_shape(shape), lambda: layer.forward({}, np.ones((2, *shape)))):
        with pytest.raises(ShapeError, match=said):
            call()
