"""The versions of its parameters that a gate uses, and how long it holds them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import memory, nn, optim
from akkordeon_dask.actors.gate._computations import Computation
from akkordeon_dask.messages import Address, Failed, Forward, Leave, Refused
from akkordeon_dask.nn import Key
from akkordeon_dask.tree import leaves, rebuild
from tests.support.gate_harness import Bench, array, bits
from tests.support.numbered_samples import HOME, header

TRAINER = Address("tcp://home", "sentinel-0")
OTHER = Address("tcp://home", "sentinel-2")

laws = settings(max_examples=100, deadline=None, derandomize=True)


def masked():
    """Layers whose results depend on the batch's key."""
    return nn.Linear(4, 5) >> nn.ReLU() >> nn.Dropout(0.3) >> nn.Linear(5, 3)


def by_hand(chain, params, sequence):
    """`(y, dx, grads)` of a batch of the bench, by the layers themselves."""
    key = Key((3,)).fold("g7").fold("train0", 1, sequence)
    y, context = chain.forward(params, array(sequence, 2, 4), train=True, key=key)
    return y, *chain.backward(context, array(1000 + sequence, 2, 3))


def carried(sent):
    """The batch and the array of a message, to the bit."""
    message = sent.message
    return type(message), message.header.sequence, bits(message.x if isinstance(message, Forward) else message.dy)


@laws
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=25))
def test_promise_6_in_any_order_each_backward_pass_uses_the_version_of_its_forward_pass(steps):
    bench = Bench(masked(), optim.DCASGDa(0.1))
    chain, optimizer = bench.behavior.chain, bench.behavior.gate.optimizer
    versions = [(bench.version.params, bench.version.state)]
    under_way, delays, batches = {}, Counter(), 0
    for forward, which in steps:
        if forward:
            y, dx, grads = by_hand(chain, versions[-1][0], batches)
            assert [carried(sent) for sent in bench.forward(batches)] == [(Forward, batches, bits(y))]
            under_way[batches] = dx, grads, len(versions) - 1
            batches += 1
        elif under_way:
            sequence = sorted(under_way)[which % len(under_way)]
            dx, grads, number = under_way.pop(sequence)
            (back,) = bench.backward(sequence)
            assert bits(back.message.dy) == bits(dx) and back.version == len(versions) - 1
            delays[len(versions) - 1 - number] += 1
            params, state = versions[-1]
            versions.append(optimizer.update(grads, state, params, stale_params=versions[number][0]))
        assert bits(bench.version.params) == bits(versions[-1][0])
        assert bench.behavior.contexts == len(under_way)
        held = {len(versions) - 1} | {number for _, _, number in under_way.values()}
        assert bench.behavior.held_versions == len(held)
    assert bench.behavior.counts.delays == delays


@pytest.mark.parametrize("optimizer", [optim.SGD(0.1), optim.DCASGD(0.1, lam=0.5), optim.DCASGDa(0.1)], ids=repr)
def test_promise_5_without_delay_a_gate_is_plain_sgd_bit_for_bit(optimizer):
    bench = Bench(masked(), optimizer)
    params = bench.version.params
    for sequence in range(12):
        _, _, grads = by_hand(bench.behavior.chain, params, sequence)
        stepped = (w + g * np.float32(-0.1) for w, g in zip(leaves(params), leaves(grads), strict=True))
        params = rebuild(params, stepped)
        bench.round(sequence)
        assert bits(bench.version.params) == bits(params)
    assert bench.behavior.counts.delays == {0: 12}


def wide(optimizer):
    """Parameters, activations and gradients that live in the pool."""
    return Bench(nn.Linear(4, 4096) >> nn.Dropout(0.3) >> nn.Tanh() >> nn.Linear(4096, 3), optimizer)


def busy_life(bench, look=lambda version: None):
    """Batches in flight together, some resent, one lost, with a validation between them."""
    bench.evaluate(opening=True, home=OTHER)
    for sequence in range(10):
        bench.forward(sequence, floor=max(0, sequence - 4))
        if sequence % 3 == 0:
            bench.forward(sequence, attempt=2)
        if sequence >= 2 and sequence != 7:
            attempt = 2 if (sequence - 2) % 3 == 0 else 1
            for _ in range(2):
                bench.backward(sequence - 2, attempt=attempt)
        bench.evaluate(sequence + 1, home=OTHER)
        look(bench.version)
        bench.sent.clear()
    assert bench.behavior.counts.delays == {0: 1, 1: 3, 2: 3}
    return bits((bench.version.params, bench.version.state.slots))


@pytest.mark.usefixtures("poisoned_pool")
@pytest.mark.parametrize("optimizer", [optim.SGD(0.1, momentum=0.9), optim.Adam(0.1), optim.DCASGDa(0.1)], ids=repr)
def test_promise_3_versions_are_never_written_into_and_their_memory_returns_only_after_them(optimizer):
    assert memory.pool.poison
    kept = []
    known = busy_life(wide(optimizer), lambda v: kept.append((v, bits((v.params, v.state.slots)))))
    assert len({version.number for version, _ in kept}) == 8
    for version, before in kept:
        assert bits((version.params, version.state.slots)) == before
    memory.pool.clear()
    assert busy_life(wide(optimizer)) == known
    assert memory.pool.free_bytes > 0
    assert all(np.isfinite(leaf).all() for leaf in leaves(kept[-1][0].params))


def test_a_context_is_kept_before_y_is_sent_so_no_answer_comes_too_early():
    bench = Bench()
    bench.behavior._send = lambda to, message: isinstance(message, Forward) and bench.backward(message.header.sequence)
    for sequence in range(3):
        bench.forward(sequence)
    assert bench.number == 3 and bench.dropped == {}


@laws
@given(st.lists(st.tuples(st.sampled_from(["train", "open", "read"]), st.sampled_from([HOME, OTHER])), max_size=25))
def test_promise_8_each_pass_reads_the_version_that_it_was_opened_with_and_no_other(steps):
    bench = Bench()
    pinned, before, passes, trained = {}, {}, Counter(), 0
    for step, home in steps:
        if step == "train":
            bench.round(trained, home=TRAINER)
            trained += 1
            continue
        if step == "open":
            passes[home] += 1
            before |= {home: pinned[home]} if home in pinned else {}
            pinned[home] = bench.version
        (sent,) = bench.evaluate(trained, home=home, pass_number=max(1, passes[home]), opening=step == "open")
        if home in pinned:
            y, _ = bench.behavior.chain.forward(pinned[home].params, array(0, 2, 4))
            assert bits(sent.message.x) == bits(y)
        else:
            assert sent.to == home and isinstance(sent.message, Refused)
        held = {version.number for version in (*pinned.values(), *before.values())}
        assert bench.behavior.held_versions == len(held | {trained})
        if home in before:
            rated = bench.behavior.rated_parameters(home.actor, passes[home] - 1)
            assert bits(rated) == bits(before[home].params)
    for home in (HOME, OTHER, TRAINER):
        bench.say(Leave("net", home))
    assert (bench.number, bench.behavior.contexts, bench.behavior.held_versions) == (trained, 0, 1)


def test_promise_8_a_pin_stays_while_it_is_read_and_the_pass_restarts_when_it_has_expired():
    bench = Bench()
    (first,) = bench.evaluate(0, opening=True, deadline=10.0)
    bench.round(0, home=TRAINER)
    for sequence in (1, 2, 3):
        bench.now += 39.0
        bench.tick()
        (sent,) = bench.evaluate(sequence, deadline=10.0)
        assert bits(sent.message.x) == bits(first.message.x)
    bench.now += 41.0
    bench.tick()
    (late,) = bench.evaluate(4)
    assert (late.to, type(late.message), late.message.gate) == (HOME, Refused, "g7")
    assert bench.evaluate(0, opening=True) == [] and bench.dropped["repeated opening"] == 1
    (again,) = bench.evaluate(5, pass_number=2, opening=True)
    y, _ = bench.behavior.chain.forward(bench.version.params, array(0, 2, 4))
    assert bits(again.message.x) == bits(y) != bits(first.message.x)


@pytest.mark.parametrize("end", ["leave", "close"])
def test_at_the_end_nothing_is_held(end):
    bench = Bench()
    for home in (HOME, OTHER):
        bench.evaluate(opening=True, home=home)
        bench.forward(0, home=home)
        bench.round(1, home=home)
    assert (bench.behavior.contexts, bench.behavior.held_versions) == (2, 3)
    if end == "leave":
        for home in (HOME, OTHER):
            bench.say(Leave("net", home))
    else:
        bench.behavior.stop()
    assert (bench.behavior.contexts, bench.behavior.held_versions, bench.number) == (0, 1, 2)


def _by_batch(sent):
    kind, *rest = carried(sent)
    return kind.__name__, *map(repr, rest)


@laws
@given(st.permutations(range(4)), st.permutations(range(4)))
def test_promise_2_computations_of_many_threads_come_back_in_any_order_and_give_the_same(there, back):
    alone, helped = Bench(masked(), optim.DCASGDa(0.1)), Bench(masked(), optim.DCASGDa(0.1), helped=True)
    for step, order in (("forward", there), ("backward", back)):
        for sequence in range(4):
            getattr(helped, step)(sequence)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(Computation.run, helped.taken))
        for sequence in order:
            helped.behavior.apply(helped.taken[sequence])
            helped.taken[sequence].send()
            getattr(alone, step)(sequence)
        helped.taken.clear()
    # A gradient leaves as soon as it is computed, in whatever order the threads get there.
    assert sorted(map(_by_batch, helped.sent)) == sorted(map(_by_batch, alone.sent))
    assert bits(helped.version.params) == bits(alone.version.params)
    assert helped.behavior.counts == alone.behavior.counts and alone.number == 4


@dataclass(frozen=True, repr=False)
class Choosy(nn.ReLU):
    """A layer that takes numbers only."""

    def forward(self, params, x, **options):
        if np.isnan(x).any():
            raise FloatingPointError("not a number")
        return super().forward(params, x, **options)


def test_promise_9_a_batch_that_fails_leaves_no_trace_in_the_gate_and_the_next_goes_through():
    spared, bench = (Bench(Choosy() >> nn.Linear(4, 3)) for _ in range(2))
    bench.forward(0)
    (failed,) = bench.say(Forward(header(1), np.full((2, 4), np.nan, np.float32)))
    line = Choosy.forward.__code__.co_firstlineno + 2
    place = f"FloatingPointError: not a number (raised in forward, {__file__}:{line})"
    assert failed[:2] == (HOME, Failed(header(1), "g7", "tcp://here", place))
    spared.forward(0)
    for each in (spared, bench):
        each.backward(0)
        each.round(2, floor=2)
    assert bits(bench.version.params) == bits(spared.version.params)
    assert (bench.behavior.contexts, bench.behavior.held_versions, bench.behavior.counts.failed) == (0, 1, 1)
