"""Convolution against its formula."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.nn import _conv2d
from tests.support.for_each import for_each
from tests.support.paddings import around, both, paddings

bounded = settings(max_examples=80, deadline=None, derandomize=True)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def by_formula(layer, params, x):
    """Every output is the sum of a window times its weights."""
    (down, right), (apart, beside) = both(layer.stride), both(layer.dilation)
    rows, columns = both(layer.kernel_size)
    y = np.zeros((len(x), *layer.output_shape(x.shape[1:])))
    x = np.pad(x, ((0, 0), (0, 0), *around(layer, x.shape[1:])))
    inside, outside = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    for o, i, j in np.ndindex(y.shape[1:]):
        its = o // outside * inside
        seen = x[:, its : its + inside, i * down :, j * right :]
        seen = seen[:, :, : apart * rows : apart, : beside * columns : beside]
        y[:, o, i, j] = (seen * params["w"][o]).sum(axis=(1, 2, 3)) + (params["b"][o] if layer.bias else 0)
    return y


@st.composite
def layers(draw):
    groups = draw(st.integers(1, 2))
    return nn.Conv2d(
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 2)),
        draw(pairs),
        stride=draw(pairs),
        padding=draw(paddings(2, 2)),
        dilation=draw(pairs),
        groups=groups,
        bias=draw(st.booleans()),
    )


@bounded
@given(layers(), pairs, st.integers(1, 5), st.integers(1, 300), st.integers(0, 99))
def test_a_convolution_is_its_formula_and_the_backward_pass_is_its_adjoint(layer, extra, batch, block, seed):
    shape = (layer.in_channels, *(n + k for n, k in zip(extra, (4, 3), strict=True)))
    try:
        layer.output_shape(shape)
    except ShapeError:
        assume(False)
    rng = np.random.default_rng(seed)
    params = {name: rng.normal(size=leaf.shape) for name, leaf in layer.init(rng, np.float64).items()}
    x, direction = rng.normal(size=(2, batch, *shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_conv2d, "_BLOCK", block * 64)
        y, context = layer.forward(params, x)
        dy = rng.normal(size=y.shape)
        dx, grads = layer.backward(context, dy)
    assert_allclose(y, by_formula(layer, params, x), atol=1e-12)
    without = {**params, "b": np.zeros(layer.out_channels)}
    # Linear in x and in w: the gradient is exact, whatever the direction.
    assert_allclose(np.vdot(dx, direction), np.vdot(dy, by_formula(layer, without, direction)), atol=1e-9)
    w = rng.normal(size=params["w"].shape)
    assert_allclose(np.vdot(grads["w"], w), np.vdot(dy, by_formula(layer, {**without, "w": w}, x)), atol=1e-9)
    if layer.bias:
        assert_allclose(grads["b"], dy.sum(axis=(0, 2, 3)), atol=1e-12)


def test_the_context_keeps_the_images_and_no_columns():
    layer = nn.Conv2d(2, 3, 5, padding=2)
    x = np.zeros((4, 2, 8, 8), np.float32)
    _, context = layer.forward(layer.init(np.random.default_rng(0)), x)
    assert context.x is x


def test_weights_begin_with_the_deviation_of_their_fan_in():
    w = nn.Conv2d(8, 256, 3, groups=2).init(np.random.default_rng(0), np.float64)["w"]
    assert w.shape == (256, 4, 3, 3)
    assert_allclose(w.std(), np.sqrt(2 / 36), rtol=0.05)


def test_the_cost_is_that_of_a_matrix_product_for_each_position():
    assert nn.Conv2d(6, 16, 5).multiply_adds((6, 14, 14)) == 6 * 25 * 16 * 10 * 10
    assert nn.Conv2d(6, 16, 5, groups=2).multiply_adds((6, 14, 14)) == 3 * 25 * 16 * 10 * 10


@for_each(
    "write, said",
    [
        (
            lambda: nn.Linear(9, 784) >> nn.Reshape((1, 28, 28)) >> nn.Conv2d(1, 6, 5) >> nn.Conv2d(5, 16, 5),
            r"takes 5 channels, not 6 \(samples of shape \(6, 24, 24\)\)",
        ),
        (lambda: nn.Linear(784, 784) >> nn.Conv2d(1, 6, 5), r"takes images .* put nn\.Reshape.*\(784,\)"),
        (lambda: nn.Conv2d(1, 6, 5).output_shape((2, 28, 28)), r"takes 1 channels, not 2 .* \(2, 28, 28\)\)$"),
        (lambda: nn.Conv2d(1, 6, 5).output_shape((1, 4, 9)), r"has a window that is larger than images of 4 x 9"),
        (lambda: nn.MaxPool2d(5).output_shape((1, 9, 4)), r"has a window that is larger than images of 9 x 4"),
        (lambda: nn.GlobalAvgPool2d().output_shape((7,)), r"takes images .* shape \(7,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_both_sides_named(write, said):
    with pytest.raises(ShapeError, match=said):
        write()


def test_float32_stays_float32_and_close_to_float64():
    layer = nn.Conv2d(6, 16, 5)
    params = layer.init(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(3, 6, 14, 14)).astype(np.float32)
    y, _ = layer.forward(params, x)
    exact, _ = layer.forward({name: leaf.astype(np.float64) for name, leaf in params.items()}, x.astype(np.float64))
    assert y.dtype == np.float32
    assert_allclose(y, exact, atol=1e-4)


def test_a_batch_larger_than_a_block_has_the_same_bits_as_its_blocks():
    layer = nn.Conv2d(3, 4, 3, padding=1)
    params = layer.init(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(9, 3, 8, 8)).astype(np.float32)
    whole, _ = layer.forward(params, x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_conv2d, "_BLOCK", 1)
        single, _ = layer.forward(params, x)
    assert_array_equal(whole, single)
