"""A chain whose input is added to its output."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.tree import STATISTICS, map_leaves
from tests.support.for_each import for_each
from tests.support.observer_layer import Observer

bounded = settings(max_examples=40, deadline=None, derandomize=True)
KEY = nn.Key((3,))
HALF = nn.Dropout(0.5)


def params_of(layer, seed=0):
    rng = np.random.default_rng(seed)
    return map_leaves(lambda leaf: rng.normal(size=leaf.shape), layer.init(rng, np.float64))


@bounded
@given(batch=st.integers(0, 5), features=st.integers(1, 6), hidden=st.integers(1, 6), seed=st.integers(0, 999))
def test_the_input_is_added_to_what_the_layers_give(batch, features, hidden, seed):
    rng = np.random.default_rng(seed)
    layers = nn.Linear(features, hidden) >> nn.Tanh() >> nn.Linear(hidden, features)
    residual = nn.Residual(layers)
    params = residual.init(rng, np.float64)
    x, dy = rng.normal(size=(2, batch, features))
    y, context = residual.forward(params, x)
    inner, inner_context = layers.forward(params[0], x)
    assert_array_equal(y, inner + x)
    dx, grads = residual.backward(context, dy)
    inner_dx, inner_grads = layers.backward(inner_context, dy)
    assert_array_equal(dx, inner_dx + dy)
    assert repr(grads) == repr((inner_grads, {}))


@bounded
@given(batch=st.integers(1, 5), features=st.integers(1, 6), out=st.integers(1, 6), seed=st.integers(0, 999))
def test_a_projection_is_added_instead_of_the_input(batch, features, out, seed):
    rng = np.random.default_rng(seed)
    residual = nn.Residual(nn.Linear(features, out) >> nn.ReLU(), nn.Linear(features, out, bias=False))
    params = residual.init(rng, np.float64)
    (chain, _), projection = params
    x, dy = rng.normal(size=(batch, features)), rng.normal(size=(batch, out))
    y, context = residual.forward(params, x)
    hidden = x @ chain["w"] + chain["b"]
    assert_allclose(y, np.maximum(hidden, 0) + x @ projection["w"], atol=1e-12)
    dx, ((chain_grads, _), projection_grads) = residual.backward(context, dy)
    behind = dy * (hidden > 0)
    assert_allclose(dx, behind @ chain["w"].T + dy @ projection["w"].T, atol=1e-12)
    assert_allclose(chain_grads["w"], x.T @ behind, atol=1e-12)
    assert_allclose(projection_grads["w"], x.T @ dy, atol=1e-12)


def test_images_go_around_convolutions():
    layers = nn.Conv2d(2, 4, 3, stride=2, padding=1) >> nn.ReLU() >> nn.Conv2d(4, 4, 3, padding=1)
    residual = nn.Residual(layers, nn.Conv2d(2, 4, 1, stride=2))
    assert residual.output_shape((2, 8, 6)) == (4, 4, 3)
    params, x = params_of(residual), np.random.default_rng(1).normal(size=(3, 2, 8, 6))
    y, context = residual.forward(params, x)
    w, b = params[1]["w"][:, :, 0, 0], params[1]["b"]
    around = np.einsum("oc,ncij->noij", w, x[:, :, ::2, ::2]) + b[:, np.newaxis, np.newaxis]
    assert_allclose(y, layers.forward(params[0], x)[0] + around, atol=1e-12)
    assert residual.backward(context, y)[0].shape == x.shape


def test_the_layers_and_the_projection_draw_apart():
    x = np.ones((50, 40))
    y, context = nn.Residual(HALF, HALF).forward(({}, {}), x, train=True, key=KEY)
    assert set(np.unique(y)) == {0, 2, 4}
    each = [HALF.forward({}, x, train=True, key=KEY.fold(index))[0] for index in (0, 1)]
    assert_array_equal(y, sum(each))
    assert_array_equal(nn.Residual(HALF, HALF).backward(context, x)[0], y)
    assert_array_equal(nn.Residual(HALF, HALF).forward(({}, {}), x)[0], 2)


class Noted(nn.Linear):
    """Records its output."""

    def forward(self, params, x, **how):
        y, context = super().forward(params, x, **how)
        given_by_noted.append(y)
        return y, context


given_by_noted = []


@for_each("residual, in_place", [
    (nn.Residual(Noted(4, 4)), True), (nn.Residual(nn.Dropout(0), Noted(4, 4)), True),
    (nn.Residual(nn.ReLU(), Noted(4, 4)), True), (nn.Residual(Noted(4, 4) >> nn.Flatten()), True),
    (nn.Residual(Noted(4, 4) >> nn.ReLU()), False), (nn.Residual(Noted(4, 4) >> nn.ReLU() >> nn.Flatten()), False),
])  # fmt: skip
def test_the_sum_overwrites_a_summand_that_no_context_keeps(residual, in_place):
    given_by_noted.clear()
    y, _ = residual.forward(params_of(residual), np.ones((2, 4)))
    assert np.shares_memory(y, given_by_noted[0]) is in_place


class Frontmost(nn.Linear):
    """Fails when it is asked for `dx`."""

    def backward(self, context, dy, *, need_dx=True, own=False):
        assert not need_dx, "nobody needs this gradient"
        return super().backward(context, dy, need_dx=need_dx, own=own)


def test_no_branch_of_the_first_layer_makes_a_dx():
    chain = nn.Flatten() >> nn.Residual(Frontmost(4, 4) >> nn.ReLU(), Frontmost(4, 4)) >> nn.Linear(4, 2)
    y, context = chain.forward(params_of(chain), np.ones((2, 4)))
    dx, grads = chain.backward(context, y, need_dx=False)
    assert dx is None
    assert grads[0] == {} and grads[1][0][1] == {} and grads[1][0][0]["w"].shape == grads[1][1]["w"].shape == (4, 4)


def test_a_residual_without_parameters_has_their_form_in_a_chain():
    chain = nn.Residual(nn.ReLU() >> nn.Flatten(), HALF) >> nn.Linear(4, 2)
    y, context = chain.forward(params_of(chain), np.ones((2, 4)))
    for need_dx in (True, False):
        assert chain.backward(context, y, need_dx=need_dx)[1][0] == (({}, {}), {})


def test_a_rebound_context_goes_backward_through_other_parameters():
    rng = np.random.default_rng(0)
    residual = nn.Residual(nn.Linear(4, 3), nn.Linear(4, 3))
    params, others = params_of(residual, seed=1), params_of(residual, seed=2)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    _, context = residual.forward(params, x)
    dx, _ = residual.backward(residual.rebind(context, others), dy)
    assert_allclose(dx, dy @ others[0]["w"].T + dy @ others[1]["w"].T)


def test_statistics_of_its_layers_are_passed_on():
    residual = nn.Residual(nn.Tanh() >> Observer(), Observer())
    assert residual.observes and not nn.Residual(nn.Tanh(), nn.Linear(4, 4)).observes
    params = residual.init(np.random.default_rng(0), np.float64)
    y, context = residual.forward(params, np.full((2, 4), 0.5), train=True)
    _, grads = residual.backward(context, y)
    (_, inside), around = residual.advance(params, grads)
    assert inside[STATISTICS]["most"] == np.tanh(0.5) and around[STATISTICS]["most"] == 0.5
    assert params[1][STATISTICS]["most"] == 0


def test_a_float32_residual_stays_float32():
    residual = nn.Residual(nn.Linear(3, 3) >> nn.ReLU())
    x = np.ones((4, 3), np.float32)
    y, context = residual.forward(residual.init(np.random.default_rng(0)), x)
    dx, _ = residual.backward(context, y)
    assert y.dtype == dx.dtype == residual.output_dtype(x.dtype) == np.float32


@for_each("call, said", [
    (lambda: nn.Residual(nn.Linear(4, 8)), r"the chain gives \(8,\), its input is \(4,\): give a projection$"),
    (lambda: nn.Residual(nn.ReLU() >> nn.Linear(4, 8)), r"the chain gives \(8,\), its input is \(4,\)"),
    (lambda: nn.Residual(nn.Flatten()).output_shape((2, 3)), r"the chain gives \(6,\), its input is \(2, 3\): give"),
    (lambda: nn.Residual(nn.Linear(4, 8), nn.Linear(4, 7)), r"the chain gives \(8,\), the projection gives \(7,\)$"),
    (lambda: nn.Residual(nn.ReLU(), nn.Linear(4, 7)), r"the chain gives \(4,\), the projection gives \(7,\)$"),
    (lambda: nn.Residual(nn.Linear(4, 8), nn.Linear(5, 8)), r"^what goes into nn\.Linear\(4, 8\) .* 5 features, not 4"),
    (lambda: nn.Residual(nn.Linear(4, 4)).output_shape((5,)), r"nn\.Linear\(4, 4\) takes 4 features, not 5"),
    (lambda: nn.Linear(3, 5) >> nn.Residual(nn.Linear(4, 4)), r"^layer 1 nn\.Residual.* takes 4 features, not 5"),
    (lambda: nn.Residual(nn.Conv2d(2, 2, 3)).output_shape((2, 8, 8)), r"gives \(2, 6, 6\), its input is \(2, 8, 8\)"),
    (lambda: nn.Residual(nn.Flatten()).forward(({}, {}), np.ones((2, 1, 1))), r"gives \(1,\), its input is \(1, 1\)"),
])  # fmt: skip
def test_shapes_that_cannot_be_added_are_named(call, said):
    with pytest.raises(ShapeError, match=said):
        call()


def test_integers_are_sent_to_scale():
    residual = nn.Residual(nn.Scale(0, 255) >> nn.Linear(4, 4))
    with pytest.raises(ShapeError, match=r"^nn\.Residual\(.*\) takes floating point, not uint8: put nn\.Scale"):
        residual.output_dtype(np.dtype(np.uint8))
    both = nn.Residual(nn.Scale(0, 255) >> nn.ReLU(), nn.Scale(0, 1))
    assert both.output_dtype(np.dtype(np.uint8)) == np.float32
    y, context = both.forward(both.init(np.random.default_rng(0)), np.full((2, 4), 51, np.uint8))
    assert_allclose(y, np.full((2, 4), 51.2, np.float32), rtol=1e-6)
    assert y.dtype == both.backward(context, y)[0].dtype == np.float32


def test_parameters_of_another_form_are_refused():
    with pytest.raises(ShapeError, match="has 2 branches, its parameters are those of 1"):
        nn.Residual(nn.ReLU()).forward(({},), np.ones((2, 4)))
