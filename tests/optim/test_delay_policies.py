"""Policies for late gradients: without delay, by their formulas, and where they let a quadratic converge."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.errors import SpecError
from akkordeon_dask.optim import (
    EMA,
    SGD,
    Adam,
    Clip,
    DCASGDa,
    DelayAdaptiveRate,
    DelayCompensation,
    DelayWarmUp,
    GapAware,
    Muon,
    NAdam,
    SpikeCompensation,
    WeightPrediction,
    stage_momentum,
)
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each

PLAIN = SGD(0.05)
MOMENTUM = SGD(0.05, momentum=0.9)
POLICIES = [
    GapAware(MOMENTUM),
    GapAware(Adam(0.1)),
    GapAware(DCASGDa(0.1)),
    DelayAdaptiveRate(Adam(0.1)),
    DelayWarmUp(MOMENTUM, 5),
    WeightPrediction(MOMENTUM),
    WeightPrediction(Adam(0.1), rule="linear"),
    WeightPrediction(Clip(Adam(0.1), norm=1), rule="last-update"),
    SpikeCompensation(MOMENTUM),
    GapAware(DelayAdaptiveRate(WeightPrediction(MOMENTUM))),
]


def path(optimizer, gradient, start, *, delay=0, updates=6):
    """The parameters of a training whose gradients are late by `delay` updates, as a gate trains."""
    params = {"w": np.asarray(start)}
    state, ahead = optimizer.init(params), [params]
    found = [params["w"]]
    for count in range(updates):
        late = min(count, delay)
        stale = ahead[-1 - late]
        grads = {"w": np.asarray(gradient(stale["w"], count))}
        params, state = optimizer.update_late(grads, state, params, stale_params=stale, delay=late)
        ahead.append(optimizer.predicted_params(params, state))
        found.append(params["w"])
    return found


def drawn_gradient(w, count):
    return np.random.default_rng(count).normal(size=w.shape).astype(w.dtype)


def inner_of(optimizer):
    """The optimizer within all policies."""
    while isinstance(optimizer, (GapAware, DelayAdaptiveRate, DelayWarmUp, WeightPrediction, SpikeCompensation)):
        optimizer = optimizer.optimizer
    return optimizer


@for_each("dtype", [np.float32, np.float64])
@for_each("optimizer", POLICIES)
def test_promise_5_without_delay_a_policy_is_its_optimizer_bit_for_bit(optimizer, dtype):
    start = np.random.default_rng(9).normal(size=(4, 3)).astype(dtype)
    plain = path(inner_of(optimizer), drawn_gradient, start)
    assert [w.tobytes() for w in path(optimizer, drawn_gradient, start)] == [w.tobytes() for w in plain]
    late = path(optimizer, lambda w, count: w, start, delay=3)
    assert late[-1].tobytes() != path(inner_of(optimizer), lambda w, count: w, start, delay=3)[-1].tobytes()


@for_each("optimizer", POLICIES)
def test_without_delay_the_forward_pass_has_the_parameters_themselves(optimizer):
    params = {"w": np.ones((3, 2))}
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.update_late(params, state, params, stale_params=params, delay=0)
        assert optimizer.predicted_params(params, state) is params


def test_the_mean_delay_is_that_of_all_updates_and_then_forgets():
    optimizer, params = PLAIN, {"w": np.ones(2)}
    state = optimizer.init(params)
    for delay in (0, 3, 6):
        params, state = optimizer.update_late(params, state, params, stale_params=params, delay=delay)
    assert state.mean_delay == pytest.approx(3) and state.delay == 6
    for _ in range(600):
        params, state = optimizer.update_late(params, state, params, stale_params=params, delay=1)
    assert state.mean_delay == pytest.approx(1, abs=1e-3)


# By their formulas

numbers = st.floats(-10, 10, allow_subnormal=False)


@settings(max_examples=30)
@given(st.lists(numbers, min_size=4, max_size=4), st.floats(0, 0.99))
def test_gap_aware_is_the_formula_of_its_paper(gradients, decay):
    eps = 1e-3
    optimizer = GapAware(SGD(0.1), decay=decay, eps=eps)
    found = [
        float(w[0]) for w in path(optimizer, lambda w, count: np.array([gradients[count]]), [1.0], delay=2, updates=4)
    ]
    w, mean, versions = 1.0, 0.0, [1.0]
    for count, g in enumerate(gradients):
        gap = abs(w - versions[-1 - min(count, 2)])
        size = math.sqrt(mean / (1 - decay**count)) if count and decay else math.sqrt(mean)
        new = w - 0.1 * g / (1 + gap / (size + eps))
        mean = decay * mean + (1 - decay) * (new - w) ** 2
        w = new
        versions.append(w)
    assert found == pytest.approx(versions, rel=1e-9, abs=1e-9)


@for_each("optimizer, delay, count, factor", [
    (DelayAdaptiveRate(SGD(1.0)), 4, 7, 1 / 4),
    (DelayAdaptiveRate(SGD(1.0), concurrency=3), 4, 0, 3 / 4),
    (DelayAdaptiveRate(SGD(1.0), concurrency=5), 4, 0, 1),
    (DelayWarmUp(SGD(1.0), 10), 4, 0, 1 / 4),
    (DelayWarmUp(SGD(1.0), 10), 4, 5, 1 / 2),
    (DelayWarmUp(SGD(1.0), 10), 4, 10, 1),
    (DelayWarmUp(SGD(1.0), 10), 1, 0, 1),
])  # fmt: skip
def test_rates_follow_the_delay(optimizer, delay, count, factor):
    params = {"w": np.zeros(1)}
    state = optimizer.init(params)
    for _ in range(count):
        _, state = optimizer.update_late(params, state, params, stale_params=params, delay=0)
    new, after = optimizer.update_late({"w": np.ones(1)}, state, params, stale_params=params, delay=delay)
    assert new["w"][0] == pytest.approx(-factor) and after.rate == 1


@for_each("policy", [lambda inner: DelayAdaptiveRate(inner, concurrency=2), lambda inner: DelayWarmUp(inner, 3)])
@for_each("rule", ["linear", "geometric"])
def test_a_prediction_within_a_rate_policy_has_the_learning_rate_that_its_updates_have(policy, rule):
    optimizer, params = policy(WeightPrediction(MOMENTUM, rule=rule)), {"w": np.ones(1)}
    params, state = optimizer.update_late(params, optimizer.init(params), params, stale_params=params, delay=4)
    slower = SGD(0.05 * optimizer.factor(state), momentum=0.9)
    alone = WeightPrediction(slower, rule=rule).predicted_params(params, state)
    assert optimizer.factor(state) < 1
    np.testing.assert_allclose(optimizer.predicted_params(params, state)["w"], alone["w"], rtol=1e-12)


@for_each("optimizer", [MOMENTUM, SGD(0.05, momentum=0.5, nesterov=True), Adam(0.1, beta1=0.8)])
@for_each("rule, times", [("linear", lambda kept: 3.0), ("geometric", lambda kept: kept + kept**2 + kept**3)])
def test_a_prediction_goes_along_the_momentum(optimizer, rule, times):
    policy, params = WeightPrediction(optimizer, rule=rule), {"w": np.ones(1)}
    state = policy.init(params)
    for g in (0.3, -2.0):
        params, state = policy.update_late({"w": np.array([g])}, state, params, stale_params=params, delay=3)
    if isinstance(optimizer, Adam):
        m, v = 0.2 * (0.8 * 0.3 - 2.0), 0.001 * (0.999 * 0.09 + 4.0)
        direction = m / (1 - 0.8**2) / (math.sqrt(v / (1 - 0.999**2)) + 1e-8)
    else:
        direction = optimizer.momentum * 0.3 - 2.0
    moved = params["w"] - optimizer.lr * times(optimizer.kept) * direction
    np.testing.assert_allclose(policy.predicted_params(params, state)["w"], moved, rtol=1e-12)


def test_a_geometric_prediction_is_where_momentum_alone_leads():
    policy, params = WeightPrediction(MOMENTUM), {"w": np.ones(1)}
    params, state = policy.update_late(params, policy.init(params), params, stale_params=params, delay=4)
    ahead = policy.predicted_params(params, state)
    for _ in range(4):
        params, state = policy.update_late({"w": np.zeros(1)}, state, params, stale_params=params, delay=4)
    np.testing.assert_allclose(ahead["w"], params["w"], rtol=1e-12)


def test_the_last_update_is_repeated():
    policy, params = WeightPrediction(EMA(SGD(0.1)), rule="last-update"), {"w": np.ones(1)}
    new, state = policy.update_late({"w": np.array([2.0])}, policy.init(params), params, stale_params=params, delay=3)
    np.testing.assert_allclose(policy.predicted_params(new, state)["w"], [0.8 - 3 * 0.2])


def test_a_late_spike_moves_as_far_as_one_in_time_would_have():
    """The first of all gradients is alone: `delay` updates later, and from then on, it is where it would be."""

    def spike(w, count):
        return np.full_like(w, float(count == 5))

    late = path(SpikeCompensation(MOMENTUM), spike, [1.0], delay=3, updates=12)
    in_time = path(MOMENTUM, lambda w, count: np.full_like(w, float(count == 2)), [1.0], updates=12)
    np.testing.assert_allclose(late[6:], in_time[6:], rtol=1e-12)


@settings(max_examples=30)
@given(st.lists(numbers, min_size=3, max_size=3), st.floats(0.1, 0.99), st.floats(0, 1))
def test_nadam_is_its_formula(gradients, beta1, decay):
    found = path(
        NAdam(0.1, beta1=beta1, momentum_decay=decay), lambda w, count: np.array([gradients[count]]), [1.0], updates=3
    )
    w, m, v, product = 1.0, 0.0, 0.0, 1.0
    for t, g in enumerate(gradients, 1):
        m, v = beta1 * m + (1 - beta1) * g, 0.999 * v + 0.001 * g * g
        now, after = (beta1 * (1 - 0.5 * 0.96 ** (at * decay)) for at in (t, t + 1))
        product *= now
        step = after * m / (1 - product * after) + (1 - now) * g / (1 - product)
        w -= 0.1 * step / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        assert found[t][0] == pytest.approx(w, rel=1e-9, abs=1e-9)


@for_each("shape", [(30, 20), (20, 30), (7, 3, 2, 2), (1, 5)])
@settings(max_examples=10)
@given(st.integers(0, 99))
def test_muon_moves_a_matrix_by_a_nearly_orthogonal_one(shape, seed):
    g = np.random.default_rng(seed).normal(size=shape)
    step = -path(Muon(1.0, momentum=0.0), lambda w, count: g, np.zeros(shape), updates=1)[-1]
    matrix = step if len(shape) == 2 else step.reshape(len(step), -1).T
    of_gradient = g if len(shape) == 2 else g.reshape(len(g), -1).T
    values = np.linalg.svd(matrix / math.sqrt(max(1, matrix.shape[1] / matrix.shape[0])), compute_uv=False)
    assert values.max() < 1.35 and np.median(values) > 0.6
    u, _, v = np.linalg.svd(of_gradient, full_matrices=False)
    assert np.vdot(u @ v, matrix) > 0.9 * np.linalg.norm(matrix) * math.sqrt(min(matrix.shape))


# A quadratic

DELAY = 8


def threshold(make, *, delay=DELAY, updates=500):
    """The greatest learning rate with which `w**2 / 2` converges from 1."""

    def converges(lr):
        with np.errstate(over="ignore", invalid="ignore"):
            end = path(make(lr), lambda w, count: w, [1.0], delay=delay, updates=updates)[-20:]
        return bool(np.abs(end).max() < 1)

    low, high = 2e-3, 4.0
    for _ in range(8):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if converges(middle) else (low, middle)
    return low


@for_each("delay", [0, 1, 2, 8])
def test_late_gradients_diverge_from_the_learning_rate_of_the_theory(delay):
    """`2 sin(pi / (2 (2 delay + 1)))`, over the curvature: a root of `z**(d + 1) - z**d + lr` has length 1."""
    bound = 2 * math.sin(math.pi / (2 * (2 * delay + 1)))
    assert threshold(SGD, delay=delay) == pytest.approx(bound, rel=0.05)


def with_momentum(lr):
    return SGD(lr, momentum=0.9)


@for_each("policy, base, least", [
    (lambda lr: DelayAdaptiveRate(SGD(lr)), SGD, 0.95 * DELAY),
    (lambda lr: DelayAdaptiveRate(with_momentum(lr)), with_momentum, 0.95 * DELAY),
    (lambda lr: DelayAdaptiveRate(SGD(lr), concurrency=4), SGD, 0.95 * DELAY / 4),
    (lambda lr: DelayWarmUp(SGD(lr), 10**9), SGD, 0.95 * DELAY),
    (lambda lr: GapAware(SGD(lr)), SGD, 1.5),
    (lambda lr: GapAware(with_momentum(lr)), with_momentum, 1.5),
    (lambda lr: WeightPrediction(with_momentum(lr)), with_momentum, 1.3),
    (lambda lr: WeightPrediction(with_momentum(lr), rule="linear"), with_momentum, 1.25),
    (lambda lr: SpikeCompensation(with_momentum(lr)), with_momentum, 1.2),
])  # fmt: skip
def test_a_policy_moves_the_threshold_of_divergence_outwards(policy, base, least):
    assert threshold(policy) >= least * threshold(base)


# Arguments


def test_momentum_rises_towards_the_front():
    assert [stage_momentum(position, 2) for position in (0, 1)] == pytest.approx([0.945, 0.9])
    with pytest.raises(SpecError, match="gates behind a gate is a whole number of at least 0, not -1"):
        stage_momentum(2, 2)


@for_each("make, said", [
    (lambda: WeightPrediction(SGD(0.1)), r"optim\.SGD\(0\.1\) has no momentum .* rule=\"last-update\""),
    (lambda: WeightPrediction(Clip(MOMENTUM, norm=1)), "has no momentum that says where it goes"),
    (lambda: WeightPrediction(MOMENTUM, rule="far"), "rule is one of linear, geometric, last-update, not 'far'"),
    (lambda: WeightPrediction(Clip(WeightPrediction(MOMENTUM), norm=1), rule="last-update"), "give one prediction"),
    (lambda: DelayCompensation(EMA(DCASGDa(0.1))), r"does not compensate, not optim\.EMA\(optim\.DCASGDa\(0\.1\)\)"),
    (lambda: DelayCompensation(DelayCompensation(PLAIN)), "takes an optimizer that does not compensate"),
    (lambda: SpikeCompensation(SGD(0.1)), "it takes an optim.SGD with momentum and without nesterov"),
    (lambda: GapAware(0.1), r"optim\.GapAware takes an optimizer first"),
    (lambda: DelayAdaptiveRate(PLAIN, concurrency=0), "concurrency is a whole number of at least 1, not 0"),
    (lambda: DelayWarmUp(PLAIN, 0), "updates is a whole number of at least 1, not 0"),
    (lambda: Muon(0.1, momentum=1), "momentum is a finite number of at least 0 and below 1, not 1"),
    (lambda: NAdam(0.1, beta1=1), "beta1 is a finite number"),
])  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused(make, said):
    with pytest.raises(SpecError, match=said):
        make()


def test_a_policy_within_another_finds_its_own_state():
    policy = EMA(GapAware(WeightPrediction(SGD(0.1), rule="last-update")))
    params = {"w": np.ones(2)}
    params, state = policy.update_late(params, policy.init(params), params, stale_params=params, delay=2)
    assert [len(slots) for slots in state.slots] == [3]
    np.testing.assert_allclose(leaves(policy.predicted_params(params, state))[0], params["w"] - 0.2)
    np.testing.assert_allclose(leaves(policy.rated_params(params, state))[0], params["w"])
