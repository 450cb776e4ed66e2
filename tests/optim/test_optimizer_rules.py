"""Each rule against numbers worked out by hand, and Adam against its paper's formulas."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from akkordeon_dask.optim import DCASGD, SGD, Adam, Clip, DCASGDa
from tests.support.for_each import for_each

# One parameter w = 2 whose gradients, 0.5 and then -1, were computed at stale = 1: w after one and after two updates.
BY_HAND = [
    (SGD(0.1), 1.95, 2.05),
    # gradients 0.5 + 0.5 * 2 and -1 + 0.5 * 1.85
    (SGD(0.1, weight_decay=0.5, decay_all=True), 1.85, 1.8575),
    # velocities 0.5 and 0.25 - 1
    (SGD(0.1, momentum=0.5), 1.95, 2.025),
    # steps 0.5 + 0.5 * 0.5 and -1 - 0.5 * 0.75
    (SGD(0.1, momentum=0.5, nesterov=True), 1.925, 2.0625),
    # m_hat 0.5 and (0.045 - 0.1) / 0.19, v_hat 0.25 and (0.0225 + 0.1) / 0.19
    (Adam(0.1, beta2=0.9, eps=1e-300), 1.9, 1.9 + 0.1 * (0.055 / 0.19) / math.sqrt(0.1225 / 0.19)),
    # steps 0.5 / (0.5 + 0.5) and -1 / (1 + 0.5)
    (Adam(0.15, beta1=0.0, beta2=0.0, eps=0.5), 1.925, 2.025),
    # the same and 0.5 * 2, the same and 0.5 * 1.775
    (Adam(0.15, beta1=0.0, beta2=0.0, eps=0.5, weight_decay=0.5, decay_all=True), 1.775, 1.741875),
    # gradients 0.5 + 0.04 * 0.25 * 1 and -1 + 0.04 * 1 * 0.949
    (DCASGD(0.1), 1.949, 2.045204),
    # gradients 0.5 + 0.25 * 1 and -1 + 1 * 0.925
    (DCASGD(0.1, lam=1.0), 1.925, 1.9325),
    # lambda_t 2 / 0.5 and 2 / 1: gradients 0.5 + 4 * 0.25 * 1 and -1 + 2 * 1 * -0.5
    (DCASGDa(1.0, decay=0.0, eps=1e-300), 0.5, 2.5),
    # ms 0.25 * 0.25 and 0.75 * 0.0625 + 0.25 * 1: lambda_t 2 / sqrt(0.25) and 2 / sqrt(0.484375)
    (DCASGDa(0.1, decay=0.75, eps=0.1875), 1.85, 1.95 - 0.17 / math.sqrt(0.484375)),
]


@for_each("optimizer, one, two", BY_HAND)
def test_the_first_two_updates_are_those_worked_out_by_hand(optimizer, one, two):
    params, stale = {"w": np.array([2.0])}, {"w": np.array([1.0])}
    state, found = optimizer.init(params), []
    for gradient in (0.5, -1.0):
        params, state = optimizer.update({"w": np.array([gradient])}, state, params, stale_params=stale)
        found.append(params["w"][0])
    assert found == pytest.approx([one, two], rel=1e-14)


numbers = st.floats(-100, 100, allow_subnormal=False)
shares = st.floats(0, 0.999, allow_subnormal=False)


@given(st.data(), shares, shares, st.floats(1e-8, 1), st.floats(0, 0.5))
def test_adam_is_the_formulas_of_its_paper(data, beta1, beta2, eps, decay):
    shape = data.draw(array_shapes(max_dims=3, max_side=4))
    w = data.draw(arrays(np.float64, shape, elements=numbers))
    optimizer = Adam(0.1, beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay, decay_all=True)
    params, state = {"w": w}, optimizer.init({"w": w})
    m, v = np.zeros(shape), np.zeros(shape)
    for t in (1, 2, 3):
        g = data.draw(arrays(np.float64, shape, elements=numbers))
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        w = w - 0.1 * (m_hat / (np.sqrt(v_hat) + eps) + decay * w)
        params, state = optimizer.update({"w": g}, state, params, stale_params=params)
        np.testing.assert_allclose(params["w"], w, rtol=1e-9, atol=1e-9)


@for_each("optimizer", [SGD(0.1, weight_decay=0.5), Adam(0.1, weight_decay=0.5)])
def test_weight_decay_spares_biases_and_scales(optimizer):
    params = {"w": np.ones((2, 2)), "b": np.ones(2), "scale": np.array(1.0)}
    nothing = {name: np.zeros_like(leaf) for name, leaf in params.items()}
    for everything in (False, True):
        chosen = dataclasses.replace(optimizer, decay_all=everything)
        after, _ = chosen.update(nothing, chosen.init(params), params, stale_params=params)
        assert {name: bool((leaf < 1).all()) for name, leaf in after.items()} == {
            "w": True, "b": everything, "scale": everything,
        }  # fmt: skip


def clipped(clip, grads):
    """The gradient that SGD(1) sees."""
    params = {name: np.zeros_like(leaf) for name, leaf in grads.items()}
    after, _ = clip.update(grads, clip.init(params), params, stale_params=params)
    return {name: -leaf for name, leaf in after.items()}


GRADS = {"w": np.array([[3.0, 0.0]]), "b": np.array([-4.0])}


@for_each("clip, w, b", [
    (Clip(SGD(1.0), norm=2.5), [[1.5, 0]], [-2]),
    (Clip(SGD(1.0), norm=5), [[3, 0]], [-4]),
    (Clip(SGD(1.0), value=3.5), [[3, 0]], [-3.5]),
    (Clip(Clip(SGD(1.0), value=1), norm=2.5), [[1, 0]], [-1]),
])  # fmt: skip
def test_clipped_gradients_by_hand(clip, w, b):
    found = clipped(clip, GRADS)
    assert found["w"].tolist() == w and found["b"].tolist() == b


@for_each("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_stays_so(bad):
    assert not np.isfinite(clipped(Clip(SGD(1.0), norm=1), {"w": np.array([bad, 1.0])})["w"][0])


def test_the_norm_of_a_gradient_of_float32_does_not_overflow():
    found = clipped(Clip(SGD(1.0), norm=1), {"w": np.full(4, 1e30, np.float32)})
    assert found["w"].tolist() == [0.5] * 4


@given(st.data(), st.floats(0.1, 10))
def test_a_clipped_gradient_has_its_direction_and_no_greater_norm(data, norm):
    g = data.draw(arrays(np.float64, st.integers(1, 6), elements=numbers))
    found = clipped(Clip(SGD(1.0), norm=norm), {"w": g})["w"]
    length = np.linalg.norm(g)
    assert np.linalg.norm(found) <= norm * (1 + 1e-12) or np.array_equal(found, g)
    np.testing.assert_allclose(found * length, g * min(norm, length), rtol=1e-9, atol=1e-12)
