"""Batch normalisation against its formula in float64, and its statistics."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.nn import _normalisation
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each

BLOCKS = [1, 100, 10**9]
"""Bytes of a block: a sample, some of a batch, all of it."""
shapes = st.one_of(
    st.tuples(st.integers(2, 7), st.integers(1, 5)),
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 4), st.integers(2, 3)),
)


def layer_for(shape, **options):
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    return kind(shape[1], **options)


def params_of(layer, dtype=np.float64, seed=0):
    """Parameters and statistics away from their beginning, which nobody writes into."""
    rng = np.random.default_rng(seed)
    params = layer.init(rng, dtype)
    for leaf in leaves(params):
        leaf[...] = rng.uniform(0.5, 2, leaf.shape)
        leaf.flags.writeable = False
    return params


def moments(x):
    """Mean, variance of a batch and its unbiased one, by channel, in float64."""
    axes = (0, *range(2, x.ndim))
    x, count = x.astype(np.float64), x.size // x.shape[1]
    var = np.var(x, axis=axes)
    return np.mean(x, axis=axes), var, var * count / max(1, count - 1)


def by_hand(x, params, mean, var, eps):
    def along(values):
        return values.astype(np.float64).reshape(-1, *[1] * (x.ndim - 2))

    return (x - along(mean)) / np.sqrt(along(var) + eps) * along(params["w"]) + along(params["b"])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(shape=shapes, level=st.floats(-20, 20), seed=st.integers(0, 999), block=st.sampled_from(BLOCKS))
def test_in_training_a_batch_is_normalised_by_what_it_shows_and_else_by_what_is_kept(shape, level, seed, block):
    layer = layer_for(shape, eps=0.01)
    params, x = params_of(layer, seed=seed), np.random.default_rng(seed).normal(level, 3, shape)
    with mock.patch.object(_normalisation, "_BLOCK", block):
        y, context = layer.forward(params, x, train=True)
        _, grads = layer.backward(context, y)
        plain, _ = layer.forward(params, x)
    mean, var, unbiased = moments(x)
    assert_allclose(y, by_hand(x, params, mean, var, layer.eps), rtol=1e-10, atol=1e-11)
    assert_allclose(grads["statistics"]["mean"], mean, rtol=1e-12, atol=1e-13)
    assert_allclose(grads["statistics"]["var"], unbiased, rtol=1e-11)
    running = params["statistics"]
    assert_allclose(plain, by_hand(x, params, running["mean"], running["var"], layer.eps), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shape", [(64, 5), (16, 3, 4, 7)], ids=repr)
def test_a_mean_far_above_the_deviation_does_no_harm_in_float32(shape, block, monkeypatch):
    monkeypatch.setattr(_normalisation, "_BLOCK", block)
    rng = np.random.default_rng(0)
    x, dy = rng.normal(1e4, 1, shape).astype(np.float32), rng.normal(size=shape).astype(np.float32)
    layer = layer_for(shape)
    params, exact_params = params_of(layer, np.float32), params_of(layer)
    y, context = layer.forward(params, x, train=True)
    dx, grads = layer.backward(context, dy)
    mean, var, unbiased = moments(x)
    assert_allclose(y, by_hand(x, exact_params, mean, var, layer.eps), rtol=0, atol=2e-6)
    assert_allclose(grads["statistics"]["mean"], mean, rtol=1e-7)
    assert_allclose(grads["statistics"]["var"], unbiased, rtol=1e-6)
    _, context = layer.forward(exact_params, x.astype(np.float64), train=True)
    exact, exact_grads = layer.backward(context, dy.astype(np.float64))
    assert_allclose(dx, exact, rtol=0, atol=3e-6)
    assert_allclose(grads["w"], exact_grads["w"], rtol=0, atol=2e-4 * abs(exact_grads["w"]).max())


@for_each("value", [0.0, 0.1, -3e4, 1.0362929e8])
@for_each("shape", [(1, 3), (7, 3), (100_003, 3), (1, 3, 1, 1), (50, 3, 3, 3)])
def test_a_channel_of_one_value_has_no_variance_below_0_and_gives_b(shape, value):
    layer = layer_for(shape)
    params = params_of(layer, np.float32)
    y, context = layer.forward(params, np.full(shape, value, np.float32), train=True)
    _, grads = layer.backward(context, np.ones(shape, np.float32))
    shown = grads["statistics"]
    assert_allclose(shown["mean"], np.float32(value), rtol=1e-6)
    assert (shown["var"] >= 0).all()
    assert_allclose(shown["var"], 0, atol=(1e-6 * value) ** 2)
    biases = np.broadcast_to(params["b"].reshape(-1, *[1] * (len(shape) - 2)), shape)
    # A mean that is off by 1e-6 of itself is enlarged to 3e-4 of it by 1 / sqrt(eps), then taken away again.
    assert_allclose(y, biases, rtol=1e-6, atol=1e-10 * abs(value))
    if shape[0] == 1:
        assert_array_equal(y, biases)
        assert_array_equal(shown["var"], 0)


@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 2, 2)], ids=repr)
def test_running_statistics_have_no_say_in_training(shape):
    layer, x = layer_for(shape), np.random.default_rng(0).normal(size=shape)
    params, others = params_of(layer), params_of(layer, seed=1)
    outcomes = []
    for statistics in (params["statistics"], others["statistics"]):
        y, context = layer.forward({**params, "statistics": statistics}, x, train=True)
        dx, grads = layer.backward(context, y)
        outcomes.append([leaf.tobytes() for leaf in (y, dx, *leaves(grads))])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("samples", [0, 5])
@pytest.mark.parametrize("train", [True, False])
def test_a_batch_shows_its_own_statistics_only_where_it_trains_and_has_samples(samples, train):
    layer = nn.BatchNorm1d(3)
    params = params_of(layer)
    y, context = layer.forward(params, np.ones((samples, 3)), train=train)
    _, grads = layer.backward(context, y)
    own = train and samples > 0
    assert (grads["statistics"] is not params["statistics"]) is own
    assert (layer.advance(params, grads) is not params) is own


@for_each("dtype, rtol", [(np.float32, 1e-6), (np.float64, 1e-14)])
@for_each("momentum", [0, 0.25, 0.9])
def test_momentum_is_the_share_of_the_running_statistics_that_is_kept(momentum, dtype, rtol):
    layer = nn.BatchNorm1d(4, momentum=momentum)
    params, seen = params_of(layer, dtype), params_of(layer, dtype, seed=1)
    before = [leaf.copy() for leaf in leaves(params)]
    moved = layer.advance(params, seen)
    for name in ("mean", "var"):
        old, shown = params["statistics"][name], seen["statistics"][name]
        assert_allclose(moved["statistics"][name], momentum * old + (1 - momentum) * shown, rtol=rtol)
        assert moved["statistics"][name].dtype == dtype
        assert not np.shares_memory(moved["statistics"][name], old)
    assert moved["w"] is params["w"] and moved["b"] is params["b"] and list(moved) == list(params)
    for leaf, known in zip(leaves(params), before, strict=True):
        assert_array_equal(leaf, known)


def test_the_average_runs_from_0_and_1_to_what_is_shown_again_and_again():
    layer = nn.BatchNorm1d(2, momentum=0.5)
    params = layer.init(np.random.default_rng(0), np.float64)
    x = np.array([[1.0, 10.0], [3.0, 30.0]])
    for updates in range(1, 6):
        y, context = layer.forward(params, x, train=True)
        params = layer.advance(params, layer.backward(context, y)[1])
        kept = 0.5**updates
        assert_allclose(params["statistics"]["mean"], (1 - kept) * np.array([2.0, 20.0]))
        assert_allclose(params["statistics"]["var"], kept + (1 - kept) * np.array([2.0, 200.0]))


def test_a_chain_advances_each_of_its_layers_by_what_that_one_was_shown():
    chain = nn.Chain([nn.Linear(4, 3), nn.Chain([nn.BatchNorm1d(3), nn.ReLU()]), nn.BatchNorm1d(3)])
    assert chain.observes and chain[1:].observes and not chain[:1].observes
    params, x = chain.init(np.random.default_rng(0)), np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
    y, context = chain.forward(params, x, train=True)
    _, grads = chain.backward(context, y)
    moved = chain.advance(params, grads)
    hidden = x @ params[0]["w"] + params[0]["b"]
    assert moved[0] is params[0]
    assert_allclose(moved[1][0]["statistics"]["mean"], 0.1 * hidden.mean(axis=0), rtol=1e-4, atol=1e-7)
    last = nn.BatchNorm1d(3).advance(params[2], grads[2])
    assert_array_equal(moved[2]["statistics"]["var"], last["statistics"]["var"])


def test_a_backward_pass_through_other_weights_uses_the_batchs_own_statistics():
    layer, x = nn.BatchNorm1d(3), np.random.default_rng(0).normal(size=(6, 3))
    params, others, dy = params_of(layer), params_of(layer, seed=1), np.random.default_rng(2).normal(size=(6, 3))
    _, context = layer.forward(params, x, train=True)
    dx, grads = layer.backward(context, dy)
    other_dx, same = layer.backward(layer.rebind(context, others), dy)
    assert_allclose(other_dx, dx / params["w"] * others["w"])
    for leaf, known in zip(leaves(same), leaves(grads), strict=True):
        assert_array_equal(leaf, known)


@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 2, 2)], ids=repr)
@pytest.mark.parametrize("train", [True, False])
def test_a_float32_network_on_float64_data_works_in_float32(shape, train):
    layer, x = layer_for(shape), np.random.default_rng(0).normal(size=shape)
    y, context = layer.forward(params_of(layer, np.float32), x, train=train, own=True)
    dx, grads = layer.backward(context, x, own=True)
    assert {y.dtype, dx.dtype, *(leaf.dtype for leaf in leaves(grads))} == {np.dtype(np.float32)}


@pytest.mark.parametrize("train", [True, False])
def test_an_array_of_its_own_is_normalised_in_place(train):
    layer, x = nn.BatchNorm2d(2), np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    y, context = layer.forward(params_of(layer), x, train=train, own=True)
    assert np.shares_memory(context.centred, x) and not np.shares_memory(y, x)
    dy = np.ones_like(x)
    assert np.shares_memory(layer.backward(context, dy, own=True)[0], dy)


@pytest.mark.parametrize("shape", [(6, 5), (3, 5, 2, 2)], ids=repr)
def test_samples_of_another_size_raise(shape):
    for layer in (nn.BatchNorm1d(1), nn.BatchNorm1d(4), nn.BatchNorm2d(4)):
        with pytest.raises(ValueError, match="reshape"):
            layer.forward(params_of(layer), np.ones(shape), train=True)


@pytest.mark.parametrize(("layer", "shape", "said"), [
    (nn.BatchNorm1d(4), (5,), r"nn\.BatchNorm1d\(4\) takes samples of shape \(4,\), not \(5,\)"),
    (nn.BatchNorm2d(4), (5, 2, 2), r"nn\.BatchNorm2d\(4\) takes samples of shape \(4, \?, \?\), not \(5, "),
    (nn.BatchNorm2d(4), (4,), r"not \(4,\)"),
])  # fmt: skip
def test_samples_that_do_not_fit_are_named_with_what_fits(layer, shape, said):
    with pytest.raises(ShapeError, match=said):
        layer.output_shape(shape)


def test_shapes_stay_and_are_known_where_the_layer_says_them():
    assert nn.BatchNorm1d(4).input_shape == nn.BatchNorm1d(4).output_shape(None) == (4,)
    assert nn.BatchNorm2d(4).output_shape((4, 2, 3)) == (4, 2, 3)
    assert nn.BatchNorm2d(4).input_shape == nn.BatchNorm2d(4).output_shape(None) == (4, None, None)
    assert (nn.BatchNorm2d(4) >> nn.BatchNorm2d(4)).keeps_shape and nn.BatchNorm1d(4).keeps_shape
    with pytest.raises(ShapeError, match=r"nn\.Linear\(5, 2\) cannot follow nn\.BatchNorm1d\(4\)"):
        nn.BatchNorm1d(4) >> nn.Linear(5, 2)
