"""Deadlines of batches that wait in front of a gate, or are waited for there: late gradients, late timers."""

import pytest

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.messages import Address, Flush
from tests.support.gate_harness import Bench

OTHER = Address("tcp://other", "sentinel-2")


@pytest.fixture
def paced():
    """A gate whose gradients are never late; its timer has come once."""
    bench = Bench(max_delay=0, on_stale="wait")
    bench.pass_time(1)
    return bench


@pytest.fixture
def stepping():
    """The gate of a network that updates after two batches; its timer has come once."""
    bench = Bench(previous=None, next_=None, n_microbatches=2)
    bench.pass_time(1)
    return bench


def flush(home=OTHER):
    return Flush("net", 1, home, 0)


def test_a_gradient_in_whose_place_another_batch_has_passed_is_computed_anew(paced):
    paced.forward(deadline=2.0)
    paced.forward(home=OTHER, deadline=2.0)
    paced.pass_time(3)
    assert [header.reply_to for header in paced.take_released()] == [OTHER]
    paced.backward(home=OTHER, deadline=2.0)
    paced.backward(deadline=2.0)
    assert paced.dropped == {"gradient that was given up": 1} and paced.version.updates == 1
    paced.round(0, attempt=2, deadline=2.0)
    assert paced.version.updates == 2 and paced.behavior.counts.delays == {0: 2}


def test_a_copy_of_what_was_given_up_makes_it_no_part_of_the_pace_again(paced):
    paced.forward(deadline=2.0)
    paced.forward(home=OTHER, deadline=2.0)
    paced.pass_time(3)
    paced.take_released()
    paced.backward(home=OTHER, deadline=2.0)
    paced.round(0, deadline=2.0)
    assert paced.dropped == {"repeated forward": 1, "gradient that was given up": 1}
    paced.round(0, attempt=2, deadline=2.0)
    assert paced.version.updates == 2 and paced.behavior.counts.delays == {0: 2}


def test_a_late_gradient_updates_the_gate_where_nobody_has_waited_for_that(paced):
    paced.forward(deadline=2.0)
    paced.pass_time(5)
    paced.backward(deadline=2.0)
    assert paced.version.updates == 1 and not paced.dropped
    paced.round(1, home=OTHER, deadline=2.0)
    assert paced.version.updates == 2


def test_what_the_gate_cannot_use_any_more_makes_nobody_wait(paced):
    paced.forward(deadline=2.0)
    paced.pass_time(10)
    assert not paced.behavior.contexts
    paced.round(0, home=OTHER, deadline=2.0)
    assert paced.version.updates == 1


@pytest.mark.parametrize("step", [1.0, 3.0])
def test_deadlines_pass_though_each_timer_is_late(paced, step):
    paced.forward(deadline=2.0)
    paced.forward(home=OTHER, deadline=2.0)
    paced.pass_time(30, step=step)
    assert [header.reply_to for header in paced.take_released()] == [OTHER]


def test_after_a_standstill_what_was_waited_for_is_still(paced):
    paced.forward(deadline=2.0)
    paced.forward(home=OTHER, deadline=2.0)
    paced.pass_time(600, step=600)
    assert not paced.take_released()
    paced.backward(deadline=2.0)
    assert paced.version.updates == 1 and [header.reply_to for header in paced.take_released()] == [OTHER]


def test_a_step_ends_without_a_silent_sentinel_though_each_timer_is_late(stepping):
    stepping.forward(deadline=2.0)
    stepping.say(flush())
    stepping.pass_time(30, step=3.0)
    assert [sent.to for sent in stepping.sent if isinstance(sent.message, Flush)] == []
    stepping.pass_time(150, step=3.0)
    assert [sent.to for sent in stepping.sent if isinstance(sent.message, Flush)] == [OTHER]


def test_a_step_waits_for_its_batches_after_a_standstill(stepping):
    stepping.forward(deadline=2.0)
    stepping.say(flush())
    stepping.pass_time(600, step=600)
    assert [sent.to for sent in stepping.sent if isinstance(sent.message, Flush)] == []
    stepping.backward(deadline=2.0)
    assert stepping.behavior.versions.accumulated == 1 and not stepping.dropped


def test_a_gradient_that_its_step_has_ended_without_is_computed_anew(stepping):
    stepping.forward(deadline=100.0)
    stepping.say(flush())
    stepping.pass_time(140)
    assert [sent.to for sent in stepping.sent if isinstance(sent.message, Flush)] == [OTHER]
    assert stepping.behavior.contexts == 1
    stepping.backward(deadline=100.0)
    assert stepping.dropped == {"gradient that was given up": 1} and not stepping.behavior.versions.accumulated
    stepping.round(0, attempt=2, deadline=100.0)
    assert stepping.behavior.versions.accumulated == 1


def test_a_cut_waits_no_longer_than_its_deadline_for_a_batch_of_a_sentinel_that_nobody_asked(paced):
    paced.forward(deadline=2.0)
    with pytest.raises(CheckpointError, match="gate 'g7' holds 1 batches of a sentinel that was not asked to wait"):
        paced.behavior.take_cut("000001", {})
    paced.pass_time(3)
    assert paced.behavior.contexts == 1
    assert paced.behavior.take_cut("000001", {}).version is paced.version and not paced.behavior.contexts
    assert paced.backward(deadline=2.0) == [] and paced.dropped == {"backward without its forward": 1}
