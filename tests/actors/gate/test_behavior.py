"""A gate with its messages in order: its computations, its messages, its parameters."""

import numpy as np
import pytest

from akkordeon_dask import nn, optim
from akkordeon_dask.messages import Backward, Forward
from akkordeon_dask.tree import leaves
from tests.support.gate_harness import Bench, array, bits
from tests.support.numbered_samples import BACK, FRONT, HOME, header

STALE = optim.DCASGD(0.1, lam=0.5)
"""An optimizer that does not forget which parameters a gradient was computed with."""


def by_hand(bench, params, sequence, grad_params=None):
    """`(y, dx, grads)` of a batch, by the layers themselves."""
    chain = bench.behavior.chain
    y, context = chain.forward(params, array(sequence, 2, 4), train=True)
    if grad_params is not None:
        context = chain.rebind(context, grad_params)
    return y, *chain.backward(context, array(1000 + sequence, 2, 3))


def test_a_batch_goes_forward_and_comes_back():
    bench = Bench()
    params = bench.version.params
    y, dx, grads = by_hand(bench, params, 0)
    (out,) = bench.forward(0)
    assert (out.to, out.message.header) == (BACK, header(0)) and bits(out.message.x) == bits(y)
    (back,) = bench.backward(0)
    assert (back.to, back.message.header) == (FRONT, header(0)) and bits(back.message.dy) == bits(dx)
    optimizer = bench.behavior.gate.optimizer
    updated, _ = optimizer.update(grads, optimizer.init(params), params, stale_params=params)
    assert bits(bench.version.params) == bits(updated)
    assert (bench.behavior.counts.forwards, bench.behavior.counts.updates, bench.behavior.counts.samples) == (1, 1, 2)


@pytest.mark.parametrize("optimizer", [optim.SGD(0.1, momentum=0.9), STALE])
def test_dx_is_sent_on_before_the_update(optimizer):
    bench = Bench(optimizer=optimizer)
    for sequence in range(4):
        bench.forward(sequence)
        (back,) = bench.backward(sequence)
        assert isinstance(back.message, Backward)
        assert (back.version, bench.number) == (sequence, sequence + 1)


def test_the_ends_of_the_network_speak_with_the_sentinel():
    first, last = Bench(previous=None), Bench(next_=None)
    assert [sent.to for sent in last.round(0)] == [HOME, FRONT]
    assert [sent.to for sent in first.round(0)] == [BACK, HOME]
    assert first.sent[1].message == Backward(header(0), None)
    assert bits(first.version.params) == bits(last.version.params)


def test_the_last_gate_reports_with_a_prediction_how_far_training_is():
    middle, last = Bench(), Bench(next_=None)
    for sequence in range(3):
        assert middle.forward(sequence)[0].message.trained is None
        assert last.forward(sequence)[0].message.trained == (sequence + 1, 2 * sequence + 2)
        middle.backward(sequence)
        last.backward(sequence)


def test_a_batch_that_comes_again_counts_once_in_what_the_last_gate_says():
    last = Bench(next_=None)
    last.round(0)
    assert last.forward(0, attempt=2)[0].message.trained == (1, 2)
    assert last.forward(1)[0].message.trained == (2, 4)


def test_the_latest_policy_goes_back_through_the_newest_parameters():
    bench = Bench(optimizer=STALE, backward="latest")
    params = bench.version.params
    bench.forward(0)
    for sequence in (1, 2):
        bench.round(sequence)
    now, optimizer = bench.version, bench.behavior.gate.optimizer
    _, stashed, _ = by_hand(bench, params, 0)
    _, dx, grads = by_hand(bench, params, 0, grad_params=now.params)
    (back,) = bench.backward(0)
    assert bits(back.message.dy) == bits(dx) != bits(stashed)
    updated, _ = optimizer.update(grads, now.state, now.params, stale_params=now.params)
    assert bits(bench.version.params) == bits(updated)
    assert bench.behavior.counts.delays == {0: 3}


def test_a_gradient_that_is_too_late_is_dropped_and_counted_and_dx_is_sent_on():
    bench = Bench(max_delay=2)
    bench.forward(0)
    for sequence in (1, 2, 3):
        bench.round(sequence)
    before = bench.version
    (back,) = bench.backward(0)
    assert isinstance(back.message, Backward) and back.message.dy is not None
    assert bench.version is before
    assert bench.dropped == {"stale gradient": 1}
    assert bench.behavior.counts.delays == {0: 3, 3: 1}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_gradient_that_is_not_finite_makes_no_update_where_the_sentinel_skips_it(accumulate):
    bench = Bench(accumulate=accumulate)
    before = bench.version
    for sequence, skips in ((0, True), (1, False)):
        options = {"skips_nonfinite": skips}
        bench.forward(sequence, **options)
        (back,) = bench.say(Backward(header(sequence, **options), np.full((2, 3), np.nan, np.float32)))
        assert isinstance(back.message, Backward), "gates in front decide for themselves"
        assert (bench.version is before) == skips
    assert bench.dropped == {"gradient that is not finite": 1}


@pytest.mark.parametrize(("delay", "damping"), [(1, 1.0), (2, 1.0), (4, 0.5)])
def test_a_gradient_that_is_too_late_is_damped_by_its_delay(delay, damping):
    bench = Bench(max_delay=2, on_stale="damp")
    params = bench.version.params
    _, _, grads = by_hand(bench, params, 0)
    bench.forward(0)
    for sequence in range(1, delay + 1):
        bench.round(sequence)
    before = bench.version.params
    bench.backward(0)
    for w, old, g in zip(leaves(bench.version.params), leaves(before), leaves(grads), strict=True):
        np.testing.assert_allclose(w, old - np.float32(0.1 * damping) * g, rtol=1e-5, atol=1e-7)
    assert bench.number == delay + 1 and bench.dropped == {}


def test_a_bound_of_no_delay_drops_late_gradients():
    bench = Bench(max_delay=0, on_stale="damp")
    bench.forward(0)
    bench.round(1)
    bench.backward(0)
    assert bench.number == 1 and bench.dropped == {"stale gradient": 1}


@pytest.mark.parametrize("policies", [{}, {"backward": "latest"}, {"max_delay": 1, "on_stale": "damp"}], ids=repr)
@pytest.mark.parametrize("optimizer", [optim.SGD(0.1, momentum=0.9), optim.Adam(0.1), optim.DCASGDa(0.1)], ids=repr)
def test_promise_3_parameters_and_received_or_sent_arrays_are_never_written_into(optimizer, policies):
    bench = Bench(nn.Linear(4, 5) >> nn.ReLU() >> nn.Dropout(0.3) >> nn.Linear(5, 3), optimizer, **policies)
    versions, kept, handed_out = [], [], []
    for sequence in range(8):
        for sent in bench.forward(sequence) + (bench.backward(sequence - 3) if sequence >= 3 else []):
            tree = sent.message.x if isinstance(sent.message, Forward) else sent.message.dy
            handed_out.append((tree, bits(tree)))
        versions.append(bench.version)
        kept.append(bits((bench.version.params, bench.version.state.slots)))
    assert [bits((version.params, version.state.slots)) for version in versions] == kept
    assert all(bits(tree) == known for tree, known in handed_out)
    assert len({id(version.params) for version in versions}) == 6


def test_a_batch_sent_again_draws_the_same_masks_and_another_batch_others():
    bench = Bench(nn.Dropout(0.5) >> nn.Linear(4, 3))
    (first,), (again,) = bench.forward(0, seed=1), bench.forward(0, seed=1, attempt=2)
    (other,), (later,) = bench.forward(1, seed=1), bench.forward(2, seed=1, pass_number=2)
    assert bits(first.message.x) == bits(again.message.x)
    assert len({str(bits(sent.message.x)) for sent in (first, other, later)}) == 3


def test_replaced_parameters_are_a_new_version_with_a_new_state():
    bench = Bench(optimizer=optim.SGD(0.1, momentum=0.9))
    bench.round(0)
    params = Bench().version.params
    bench.behavior.replace(*bench.behavior.versions.prepare(params))
    assert bits(bench.version.params) == bits(params)
    state = bench.version.state
    assert state.count == 0 and not any(leaf.any() for leaf in leaves(state.slots))
    assert bench.number == 2


def test_a_fence_that_is_repeated_since_its_answer_was_lost_tells_the_same():
    bench = Bench()
    bench.round(0)
    bench.forward(1)
    seen = bench.behavior.fence(HOME.actor, 0)
    assert (seen.end, seen.applied) == (2, {0})
    assert bench.behavior.fence(HOME.actor, 0) == seen
    assert bench.forward(2) == []


def test_evaluation_keeps_nothing_and_changes_nothing():
    bench = Bench(nn.Dropout(0.5) >> nn.Linear(4, 3))
    version = bench.version
    y, _ = bench.behavior.chain.forward(version.params, array(0, 2, 4))
    for number, mode in enumerate(("validate", "test", "predict"), start=1):
        (out,) = bench.evaluate(pass_number=number, mode=mode, opening=True)
        assert out.to == BACK and bits(out.message.x) == bits(y)
    assert bench.version is version
    assert (bench.behavior.contexts, bench.behavior.counts.forwards, bench.behavior.counts.evaluated) == (0, 0, 6)
