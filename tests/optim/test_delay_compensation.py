"""Late gradients: DC-ASGD against its paper, without a delay, and where it helps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from akkordeon_dask.optim import DCASGD, SGD, Adam, Cosine, DCASGDa, DelayCompensation
from tests.support.for_each import for_each

COMPENSATING = [
    DCASGD(0.1),
    DCASGD(0.1, lam=3.0),
    DCASGDa(0.1),
    DCASGDa(0.1, lam=0.5, decay=0.5),
    DCASGDa(Cosine(0.1, 9)),
]


def three_arrays(data, dtype=np.float64):
    """Parameters, a gradient and stale parameters of one drawn shape."""
    shape = data.draw(array_shapes(max_dims=3, max_side=5))
    width = np.dtype(dtype).itemsize * 8
    drawn = st.floats(-100, 100, allow_subnormal=False, width=width)
    return [data.draw(arrays(dtype, shape, elements=drawn)) for _ in range(3)]


def one_update(optimizer, w, g, stale, state=None):
    params = {"w": w}
    state = state or optimizer.init(params)
    new, state = optimizer.update({"w": g}, state, params, stale_params={"w": stale})
    return new["w"], state


def assert_close(found, w, g, compensation, lr):
    """Equal up to rounding of the terms, which may cancel each other."""
    terms = abs(w) + lr * (abs(g) + abs(compensation))
    assert (abs(found - (w - lr * (g + compensation))) <= 1e-14 * terms).all()


@for_each("dtype", [np.float32, np.float64])
@for_each("optimizer", COMPENSATING)
def test_promise_5_delay_0_is_plain_sgd_bit_for_bit(optimizer, dtype):
    @settings(max_examples=50)
    @given(st.data())
    def law(data):
        w, *gradients = three_arrays(data, dtype)
        plain = SGD(optimizer.lr)
        params, state = {"w": w}, optimizer.init({"w": w})
        plain_params, plain_state = {"w": w}, plain.init({"w": w})
        for g in gradients:
            params, state = optimizer.update({"w": g}, state, params, stale_params=params)
            plain_params, plain_state = plain.update({"w": g}, plain_state, plain_params, stale_params=plain_params)
            assert params["w"].tobytes() == plain_params["w"].tobytes()

    law()


@pytest.mark.parametrize("optimizer", COMPENSATING, ids=repr)
@settings(max_examples=50)
@given(data=st.data())
def test_promise_5_holds_for_a_copy_of_the_parameters(optimizer, data):
    w, g, _ = three_arrays(data, np.float32)
    found, _ = one_update(optimizer, w, g, w.copy())
    expected, _ = one_update(SGD(optimizer.lr), w, g, w)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize("optimizer", [DCASGD(0.1, lam=0), DCASGDa(0.1, lam=0)], ids=repr)
@settings(max_examples=50)
@given(data=st.data())
def test_lambda_0_is_plain_sgd_whatever_the_delay(optimizer, data):
    w, g, stale = three_arrays(data)
    assert one_update(optimizer, w, g, stale)[0].tobytes() == one_update(SGD(0.1), w, g, w)[0].tobytes()


@given(st.data(), st.floats(1e-3, 1), st.floats(0, 10))
def test_dc_asgd_c_is_the_formula_of_its_paper(data, lr, lam):
    w, g, stale = three_arrays(data)
    found, _ = one_update(DCASGD(lr, lam=lam), w, g, stale)
    assert_close(found, w, g, lam * g * g * (w - stale), lr)


@given(st.data(), st.floats(1e-3, 1), st.floats(0, 10), st.floats(0, 0.999), st.floats(1e-8, 1))
def test_dc_asgd_a_is_the_formula_of_its_paper(data, lr, lam, m, eps):
    w, first, stale = three_arrays(data)
    optimizer = DCASGDa(lr, lam=lam, decay=m, eps=eps)
    state, ms = None, np.zeros_like(w)
    for g in (first, stale - first, 3 * first):
        ms = m * ms + (1 - m) * g * g
        found, state = one_update(optimizer, w, g, stale, state)
        assert_close(found, w, g, lam / np.sqrt(ms + eps) * g * g * (w - stale), lr)
        w = found


@given(st.data())
def test_the_mean_square_counts_gradients_that_came_in_time_too(data):
    w, g, stale = three_arrays(data)
    _, in_time = one_update(DCASGDa(0.1), w, g, w)
    _, late = one_update(DCASGDa(0.1), w, g, stale)
    assert in_time.slots[0][0].tobytes() == late.slots[0][0].tobytes()
    assert (in_time.slots[0][0][abs(g) > 1e-100] > 0).all()


@pytest.mark.parametrize("inner", [SGD(0.1, momentum=0.9), Adam(0.1)], ids=repr)
@settings(max_examples=50)
@given(data=st.data())
def test_promise_5_a_compensated_optimizer_without_a_delay_is_that_optimizer(inner, data):
    w, g, stale = three_arrays(data, np.float32)
    alone = one_update(inner, w, g, w)[0]
    for optimizer, behind in ((DelayCompensation(inner), w.copy()), (DelayCompensation(inner, lam=0), stale)):
        np.testing.assert_array_equal(one_update(optimizer, w, g, behind)[0], alone, strict=True)


@given(st.data(), st.floats(0, 10))
def test_a_compensated_sgd_is_dc_asgd_c(data, lam):
    w, g, stale = three_arrays(data)
    found, _ = one_update(DelayCompensation(SGD(0.1), lam=lam), w, g, stale)
    assert_close(found, w, g, lam * g * g * (w - stale), 0.1)


def gradient_used(optimizer, w, g, stale):
    """The compensated late gradient: with a learning rate of 1 it is the step."""
    return w - one_update(optimizer, w, g, stale)[0]


@given(curvature=st.floats(0.1, 10), stale=st.floats(0.1, 10), way=st.floats(-2, 2), strength=st.floats(0.05, 1.95))
def test_compensation_comes_closer_to_the_gradient_of_now(curvature, stale, way, strength):
    """For the loss `h w^2 / 2` the late gradient is wrong by `h d`, the compensated one by `(h - lam g^2) d`."""
    h, w_bak, w = curvature, np.array([stale]), np.array([stale + way])
    late, now = h * w_bak, h * w
    lam = strength * h / float(late[0]) ** 2
    wrong = abs(late - now)
    left = abs(gradient_used(DCASGD(1.0, lam=lam), w, late, w_bak) - now)
    np.testing.assert_allclose(left, abs(1 - strength) * wrong, atol=1e-12 * (h + 1) * (stale + 2))
    if abs(way) > 1e-3:
        assert left < wrong


@pytest.mark.parametrize("w_bak", [-1.5, -0.3, 0.4, 2.0])
def test_compensation_leaves_a_second_order_error_where_labels_follow_the_model(w_bak):
    """Logistic regression: the mean of g^2 over the model's own labels is the Hessian (the paper's argument, lam = 1).

    So halving the way from `w_bak` to `w` halves the late gradient's error and quarters the compensated one's.
    """

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def errors(way):
        labels = np.array([1.0, 0.0])
        chance = np.array([sigmoid(w_bak), 1 - sigmoid(w_bak)])
        stale = np.full(2, w_bak)
        now, late = sigmoid(stale + way) - labels, sigmoid(stale) - labels
        compensated = gradient_used(DCASGD(1.0, lam=1.0), stale + way, late, stale)
        return abs(chance @ (late - now)), abs(chance @ (compensated - now))

    (late, compensated), (late_half, compensated_half) = errors(0.02), errors(0.01)
    assert late / late_half == pytest.approx(2, rel=0.02)
    assert compensated / compensated_half == pytest.approx(4, rel=0.05)
    assert compensated < 0.02 * late
