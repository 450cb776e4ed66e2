"""A gate whose computations run in other threads: its own turns keep its state."""

import pytest

from akkordeon_dask import nn, optim
from akkordeon_dask.messages import Backward, Failed, Forward, Leave
from tests.actors.gate.test_behavior_faults import Broken
from tests.support.gate_harness import Bench, bits
from tests.support.numbered_samples import HOME

STALE = optim.DCASGD(0.1, lam=0.5)


def help_out(bench, *, deliver_first=False):
    """Do the oldest computation as another thread and a turn of the gate would; returns the sent messages."""
    work, before = bench.taken.pop(0), len(bench.sent)
    work.run()
    steps = [lambda: bench.behavior.apply(work), work.send]
    for step in reversed(steps) if deliver_first else steps:
        step()
    return bench.sent[before:]


def sent_arrays(sent):
    """The receivers, headers and arrays of sent messages, to the bit."""
    array = {Forward: lambda message: message.x, Backward: lambda message: message.dy}
    return [(to, message.header, bits(array[type(message)](message))) for to, message, _ in sent]


@pytest.mark.parametrize("deliver_first", [True, False])
def test_promise_2_another_thread_computes_the_same_as_the_gate_itself(deliver_first):
    alone, bench = Bench(optimizer=STALE), Bench(optimizer=STALE, helped=True)
    for sequence in range(6):
        for step in ("forward", "backward"):
            assert getattr(bench, step)(sequence) == []
            assert sent_arrays(help_out(bench, deliver_first=deliver_first)) == sent_arrays(
                getattr(alone, step)(sequence)
            )
    assert bits(bench.version.params) == bits(alone.version.params)
    assert bench.behavior.counts == alone.behavior.counts and bench.number == 6


def test_promise_2_another_thread_changes_nothing_of_the_gate():
    bench = Bench(helped=True)
    bench.forward(0)
    help_out(bench)
    bench.evaluate(opening=True)
    bench.backward(0)
    version, counts = bench.version, repr(bench.behavior.counts)
    for work in bench.taken:
        work.run()
        work.send()
    assert len(bench.sent) == 3
    assert bench.version is version and repr(bench.behavior.counts) == counts


def test_a_computation_in_another_thread_reads_the_version_of_its_start():
    alone, bench = Bench(), Bench(helped=True)
    bench.round(0)
    bench.forward(0)
    expected = sent_arrays(alone.forward(1))
    bench.forward(1)
    help_out(bench)
    alone.round(0)
    bench.backward(0)
    late, update = bench.taken
    bench.taken[:] = [update, late]
    help_out(bench)
    assert bench.number == 1
    assert sent_arrays(help_out(bench)) == expected


def test_promise_7_a_batch_that_two_threads_compute_updates_once():
    bench = Bench(helped=True)
    bench.forward(0)
    help_out(bench)
    bench.backward(0)
    bench.forward(0, attempt=2)
    help_out(bench)
    help_out(bench)
    assert len(bench.backward(0, attempt=2) or help_out(bench)) == 1
    assert bench.number == 1 and bench.dropped == {"second update of a batch": 1}


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_promise_9_a_failure_in_another_thread_is_reported_to_the_sentinel(where):
    bench = Bench(nn.Linear(4, 3) >> Broken(where), helped=True)
    bench.forward(0)
    sent = help_out(bench)
    if where == "backward":
        bench.backward(0)
        sent = help_out(bench)
    (failed,) = sent
    assert isinstance(failed.message, Failed) and failed.to == HOME
    assert f"ZeroDivisionError: of the layer (raised in {where}, " in failed.message.reason


def test_the_result_of_another_thread_for_a_sentinel_that_left_is_not_kept():
    bench = Bench(helped=True)
    bench.forward(0)
    bench.say(Leave("net", HOME))
    help_out(bench)
    assert (bench.behavior.contexts, bench.behavior.held_versions) == (0, 1)


def test_the_result_of_another_thread_after_the_deadline_is_not_kept():
    bench = Bench(helped=True)
    bench.forward(0, deadline=10.0)
    bench.now += 41.0
    bench.tick()
    help_out(bench)
    assert (bench.behavior.contexts, bench.behavior.held_versions) == (0, 1)
    assert bench.backward(0) == [] and bench.taken == []


def test_a_gradient_that_another_thread_computes_while_the_gate_is_rewound_changes_nothing():
    bench = Bench(helped=True)
    snapshot = bench.version
    for sequence in range(2):
        bench.forward(sequence)
        help_out(bench)
    bench.backward(0)
    help_out(bench)
    bench.backward(1)
    bench.behavior.rewind(snapshot, 0.5)
    help_out(bench)
    assert bits(bench.version.params) == bits(snapshot.params)
    assert bench.dropped == {"gradient from before a rewind": 1}
    bench.forward(2)
    help_out(bench)
    bench.backward(2)
    help_out(bench)
    assert bits(bench.version.params) != bits(snapshot.params)
