"""A gate with repeated, late, foreign and failing messages; and its pins."""

from dataclasses import dataclass

import numpy as np
import pytest

from akkordeon_dask import nn, optim
from akkordeon_dask.messages import Address, Backward, Failed, Forward, Leave, Refused
from tests.support.gate_harness import Bench, array, bits
from tests.support.numbered_samples import BACK, FRONT, HOME, header

OTHER = Address("tcp://home", "sentinel-2")


@dataclass(frozen=True, repr=False)
class Broken(nn.ReLU):
    """A layer that cannot."""

    where: str = "forward"

    def forward(self, params, x, **options):
        if self.where == "forward":
            raise ZeroDivisionError("of the layer")
        return super().forward(params, x, **options)

    def backward(self, context, dy, **options):
        raise ZeroDivisionError("of the layer")


def test_a_forward_that_comes_twice_is_worked_on_once():
    bench = Bench()
    assert len(bench.forward(0)) == 1
    assert bench.forward(0) == []
    assert bench.dropped == {"repeated forward": 1} and bench.behavior.counts.forwards == 1


def test_a_backward_that_comes_twice_is_worked_on_once():
    bench = Bench()
    bench.round(0)
    assert bench.backward(0) == []
    assert bench.dropped == {"backward without its forward": 1} and bench.number == 1


def test_a_batch_resent_after_its_update_yields_dx_and_no_second_update():
    bench = Bench()
    bench.round(0)
    version = bench.version
    out, back = bench.round(0, attempt=2)
    assert (out.to, back.to) == (BACK, FRONT) and back.message.dy is not None
    assert bench.version is version and bench.behavior.counts.updates == 1
    assert bench.dropped == {"second update of a batch": 1}


def test_a_batch_sent_again_before_its_update_updates_once_by_its_last_attempt():
    bench = Bench()
    bench.forward(0)
    bench.forward(0, attempt=2)
    assert bench.behavior.contexts == 1
    assert bench.backward(0) == []
    assert len(bench.backward(0, attempt=2)) == 1
    assert bench.number == 1 and bench.dropped == {"backward without its forward": 1}


def test_an_older_attempt_that_comes_late_is_dropped():
    bench = Bench()
    bench.forward(0, attempt=2)
    assert bench.forward(0, attempt=1) == []
    assert len(bench.backward(0, attempt=2)) == 1
    assert bench.forward(0, attempt=1) == bench.forward(0, attempt=2) == []
    assert bench.dropped == {"repeated forward": 3} and bench.number == 1


@pytest.mark.parametrize("attempts", [[1, 2, 3], [1, 1, 3, 2, 3], [3, 2, 1, 3]])
def test_promise_7_a_batch_updates_a_gate_at_most_once_whatever_is_repeated(attempts):
    bench = Bench()
    for attempt in attempts:
        bench.round(0, attempt=attempt)
        bench.round(0, attempt=attempt)
    assert bench.behavior.counts.updates == bench.number == 1
    assert bench.behavior.contexts == 0


def test_a_batch_below_the_floor_of_its_sentinel_is_finished():
    bench = Bench()
    bench.forward(0)
    bench.forward(5, floor=3)
    assert bench.behavior.contexts == 1
    assert bench.backward(0) == bench.forward(2) == bench.forward(0, attempt=9) == []
    assert bench.dropped == {"finished batch": 3}
    assert len(bench.forward(0, home=OTHER)) == 1


def test_a_backward_without_its_forward_or_without_a_gradient_is_dropped():
    bench = Bench()
    assert bench.backward(0) == []
    bench.forward(0)
    assert bench.say(Backward(header(0), None)) == []
    assert bench.dropped == {"backward without its forward": 2}


def test_after_a_sentinel_left_nothing_is_held_for_it_and_later_messages_are_dropped():
    bench = Bench()
    bench.forward(0)
    bench.evaluate(opening=True)
    bench.forward(0, home=OTHER)
    assert bench.say(Leave("net", HOME)) == []
    assert bench.behavior.contexts == 1
    assert bench.backward(0) == bench.forward(1) == bench.evaluate(opening=True) == []
    assert bench.dropped == {"sentinel gone": 3}
    assert len(bench.backward(0, home=OTHER)) == 1


def test_a_tombstone_outlives_every_message_and_not_the_gate():
    bench = Bench()
    bench.say(Leave("net", HOME))
    for seconds in (1.0, 300.0, 298.0):
        bench.now += seconds
        bench.tick()
        assert bench.forward(0) == []
    bench.now += 2.0
    bench.tick()
    assert len(bench.forward(0)) == 1


@pytest.mark.parametrize("strange", [{"generation": 0}, {"generation": 2}, {"network": "other"}], ids=repr)
def test_words_of_another_generation_or_network_are_dropped(strange):
    bench = Bench()
    bench.forward(0)
    assert bench.forward(1, **strange) == bench.backward(0, **strange) == []
    assert bench.dropped == {"other generation": 2}


@pytest.mark.parametrize("message", [Failed(header(), "g1", "tcp://w", "why"), Refused(header(), "g1")], ids=repr)
def test_promise_10_a_message_that_is_not_for_a_gate_is_dropped_and_the_gate_continues(message):
    bench = Bench()
    assert bench.say(message) == []
    assert sum(bench.dropped.values()) == 1
    assert len(bench.round(0)) == 2


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_promise_9_the_failure_of_a_layer_is_reported_to_the_sentinel(where):
    bench = Bench(nn.Linear(4, 3) >> Broken(where))
    sent = bench.forward(0) or bench.backward(0)
    if where == "backward":
        sent = bench.backward(0)
    (failed,) = sent
    assert (failed.to, failed.message.header) == (HOME, header(0))
    assert (failed.message.gate, failed.message.worker) == ("g7", "tcp://here")
    assert failed.message.reason.startswith("ZeroDivisionError: of the layer")
    assert f"raised in {where}, {__file__}:" in failed.message.reason
    assert bench.behavior.counts.failed == 1 and bench.number == 0


@dataclass(frozen=True, repr=False)
class BrokenSGD(optim.SGD):
    """An optimizer that cannot say which parameters passes see."""

    def predicted_params(self, params, state):
        raise ZeroDivisionError("of the optimizer")

    def rated_params(self, params, state):
        raise ZeroDivisionError("of the optimizer")


@dataclass(frozen=True, repr=False)
class Unbound(nn.ReLU):
    """A layer that cannot go back through other parameters."""

    def rebind(self, context, params):
        raise ZeroDivisionError("of the layer")


@pytest.mark.parametrize("mode", ["train", "validate"])
def test_an_optimizer_that_fails_as_a_batch_comes_is_reported_and_the_gate_goes_on(mode):
    bench = Bench(optimizer=BrokenSGD(0.1))
    for number in (1, 2):
        (failed,) = bench.forward() if mode == "train" else bench.evaluate(opening=True)
        assert failed.to == HOME and failed.message.reason.startswith("ZeroDivisionError: of the optimizer")
        assert bench.behavior.counts.failed == number and bench.behavior.contexts == 0


def test_a_layer_that_cannot_be_rebound_is_reported_and_the_gate_goes_on():
    bench = Bench(nn.Linear(4, 3) >> Unbound(), backward="latest")
    for number in (1, 2):
        *_, failed = bench.round(number)
        assert failed.to == HOME and failed.message.reason.startswith("ZeroDivisionError: of the layer")
        assert (bench.behavior.counts.failed, bench.behavior.contexts, bench.number) == (number, 0, 0)


@pytest.mark.parametrize("x", [np.zeros((2, 7), np.float32), np.zeros(7, np.float32), np.array(["a"] * 4)], ids=repr)
def test_promise_9_an_array_that_does_not_fit_is_reported_to_the_sentinel(x):
    bench = Bench()
    (failed,) = bench.say(Forward(header(0), x))
    assert isinstance(failed.message, Failed) and failed.to == HOME
    bench.forward(1)
    (failed,) = bench.say(Backward(header(1), x))
    assert isinstance(failed.message, Failed) and failed.to == HOME
    assert bench.number == 0 and len(bench.round(2)) == 2


def test_promise_8_two_validations_pin_different_versions_while_training_continues():
    bench = Bench()
    chain, x = bench.behavior.chain, array(0, 2, 4)
    first = bench.version.params
    outputs = {HOME: [bench.evaluate(opening=True, home=HOME)], OTHER: []}
    bench.round(0)
    second = bench.version.params
    outputs[OTHER].append(bench.evaluate(opening=True, home=OTHER))
    for sequence in range(1, 4):
        bench.round(sequence)
        for home, its in outputs.items():
            its.append(bench.evaluate(sequence, home=home))
    assert bench.number == 4 and bench.behavior.held_versions == 3
    for home, params in ((HOME, first), (OTHER, second)):
        y, _ = chain.forward(params, x)
        assert [bits(sent.message.x) for (sent,) in outputs[home]] == [bits(y)] * len(outputs[home])


def test_a_batch_of_a_pass_that_is_not_known_is_refused():
    bench = Bench()
    bench.evaluate(opening=True)
    (refused,) = bench.evaluate(sequence=3, pass_number=2)
    assert refused[:2] == (HOME, Refused(header(3, pass_number=2, mode="validate"), "g7"))
    assert bench.dropped == {"pin unknown": 1}


def test_a_pin_that_nobody_renews_lapses_and_lets_its_version_go():
    bench = Bench()
    bench.evaluate(opening=True)
    bench.round(0)
    assert bench.behavior.held_versions == 2
    bench.now += 40.5
    bench.tick()
    assert bench.behavior.held_versions == 1
    ((_, refused, _),) = bench.evaluate(sequence=1)
    assert isinstance(refused, Refused)


def test_what_came_while_nobody_looked_is_in_time():
    bench = Bench()
    bench.tick()
    bench.evaluate(opening=True)
    bench.forward(0, deadline=10.0)
    bench.now += 1000.0
    bench.behavior.on_timer(bench.now)  # before the mail, which waits
    assert bench.behavior.contexts == 1 and len(bench.backward(0)) == 1
    assert not isinstance(bench.evaluate(sequence=1)[0].message, Refused)


def test_contexts_expire_after_some_deadlines_and_later_gradients_are_dropped():
    bench = Bench()
    bench.forward(0, deadline=10.0)
    bench.now += 40.5
    bench.tick()
    assert (bench.behavior.contexts, bench.behavior.held_versions) == (0, 1)
    assert bench.backward(0) == bench.forward(0) == []
    assert bench.dropped == {"backward without its forward": 1, "repeated forward": 1}
    assert len(bench.round(0, attempt=2)) == 2 and bench.number == 1


def test_nothing_is_held_for_a_sentinel_that_has_been_silent_for_long():
    bench = Bench()
    bench.round(0)
    bench.evaluate(opening=True)
    for _ in range(3):
        bench.now += 500.0
        bench.tick()
    assert bench.behavior._in_flight == {}
