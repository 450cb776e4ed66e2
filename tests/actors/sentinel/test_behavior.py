"""A sentinel's credits, deadlines and restarts, with the gates played by hand."""

import dataclasses
from dataclasses import replace

import pytest

from akkordeon_dask.messages import Address, Leave, Refused
from tests.support.gate_harness import Played, array
from tests.support.numbered_samples import BACK, FRONT, HOME, counted


def test_promise_4_a_sentinel_sends_as_its_credits_allow_and_each_batch_returns_one():
    post = Played(epochs=1)
    headers = post.draw()
    assert [header.sequence for header in headers] == [0, 1, 2]
    assert all(to == FRONT for to, _ in post.sent) and post.behavior.credits == 0
    post.predictions(headers[1])
    assert post.sent[-1][0] == BACK and post.sent[-1][1].dy.shape == (2, 3)
    assert post.behavior.credits == 0 and post.draw() == []
    post.end(headers[1])
    assert post.behavior.credits == 1
    assert [header.sequence for header in post.draw()] == [3]


def test_promise_4_a_repeated_answer_returns_no_second_credit():
    post = Played()
    headers = post.draw()
    post.predictions(headers[0])
    post.predictions(headers[0])
    post.end(headers[0])
    post.end(headers[0])
    post.predictions(headers[0])
    assert post.behavior.in_flight == 2 and post.behavior.dropped == 3


def test_the_end_of_a_batch_whose_predictions_were_not_seen_is_dropped():
    post = Played()
    (header, *_) = post.draw()
    post.end(header)
    assert post.behavior.in_flight == 3 and post.behavior.dropped == 1


@pytest.mark.parametrize("late", ["predictions", "end"])
def test_the_answer_to_an_older_attempt_is_dropped(late):
    post = Played(concurrency=1)
    (first,) = post.draw()
    if late == "end":
        post.predictions(first)
    post.wait(10.0)
    again = post.sent[-1][1].header
    assert (again.attempt, again.sequence, again.batch) == (2, first.sequence, first.batch)
    getattr(post, late)(first)
    post.end(again)
    assert post.behavior.in_flight == 1 and post.behavior.dropped == 2
    post.predictions(again)
    assert post.sent[-1][0] == BACK and replace(post.sent[-1][1].header, weight=again.weight) == again
    post.end(again)
    assert post.behavior.in_flight == 0


def test_the_floor_is_below_every_batch_that_is_not_finished():
    post = Played()
    headers = post.draw()
    post.back(headers[1])
    assert post.behavior.floor == 0
    (third,) = post.draw()
    assert third.floor == 0
    post.back(headers[0])
    assert post.behavior.floor == 2
    (fourth,) = post.draw()
    assert fourth.floor == 2


def test_promise_7_an_overdue_batch_is_resent_and_after_its_last_attempt_lost():
    post = Played(concurrency=1, epochs=1, max_attempts=3)
    (header,) = post.draw(1)
    post.behavior.exhausted()
    waits = []
    while post.behavior.in_flight:
        waits.append(post.sent[-1][1].header.deadline)
        assert post.wait(waits[-1] * 0.99) == pytest.approx(min(1.0, waits[-1] * 0.01))
        assert post.sent[-1][1].header.attempt == len(waits)
        post.wait(waits[-1] * 0.02)
    assert len(waits) == 3 and [m.header.attempt for _, m in post.sent] == [1, 2, 3]
    (report,) = post.reports
    assert (report.samples, report.lost, report.resent) == (0, 2, 1)
    post.back(header)
    assert post.behavior.in_flight == 0 and len(post.reports) == 1


@pytest.mark.parametrize("mode", ["train", "validate"])
def test_promise_12_no_batch_is_given_up_while_a_lost_gate_is_restarted(mode):
    post = Played(mode, concurrency=1, epochs=1, max_attempts=1)
    post.draw(1)
    post.behavior.exhausted()
    post.behavior.interrupt(BACK, 60.0)
    while post.now < 155.0:
        post.wait(5.0)
    assert post.behavior.in_flight == 1 and post.behavior.error is None and not post.reports
    post.behavior.rewire((FRONT, dataclasses.replace(BACK, actor="fresh")), 2)
    post.behavior.interrupt(BACK, 60.0)  # told late: it knows another one by now
    assert post.behavior.in_flight == 1
    post.back(post.sent[-1][1].header)
    assert [(report.samples, report.lost) for report in post.reports] == [(2, 0)]


def test_a_restart_that_is_not_in_time_is_waited_for_no_longer():
    post = Played("validate", concurrency=1, epochs=1, max_attempts=1)
    post.draw(1)
    post.behavior.exhausted()
    post.behavior.interrupt(BACK, 60.0)
    while post.now < 200.0:
        post.wait(5.0)
    assert [(report.samples, report.lost) for report in post.reports] == [(0, 2)]


def test_only_batches_sent_once_are_observed_by_the_timer():
    post = Played(concurrency=1, first=10.0)
    (header,) = post.draw()
    post.wait(11.0)
    post.back(post.sent[-1][1].header)
    assert post.behavior.timer.seconds(1) == 10.0
    (header,) = post.draw()
    post.now += 4.0
    post.back(header)
    assert post.behavior.timer.seconds(1) == 8 * (4.0 + 4 * 2.0)


@pytest.mark.parametrize("concurrency", [2, 3, 8])
def test_a_sentinel_runs_at_most_a_window_ahead_of_its_oldest_batch(concurrency):
    post = Played(concurrency=concurrency)
    (stuck, *others) = post.draw()
    passed = len(others)
    while others:
        post.back(others.pop(0))
        new = post.draw()
        assert all(header.floor == 0 for header in new)
        passed += len(new)
        others += new
    assert passed == 2 * concurrency - 1
    post.back(stuck)
    assert len(post.draw()) == concurrency


def test_a_batch_that_blocks_all_others_is_resent_once_after_some_round_trips():
    post = Played(concurrency=2, first=100.0)
    post.now += 1.0
    (stuck, *others) = post.draw()
    while others:
        post.now += 1.0
        post.back(others.pop(0))
        others += post.draw()
    # Each took a second at first, and the timer has its deviations.
    again = post.behavior.timer.hurried
    assert 0 < again < 100.0 and post.behavior.wants_timer
    before = len(post.sent)
    assert post.wait(0.0) <= stuck.deadline and len(post.sent) == before
    post.wait(again)
    (_, message) = post.sent[-1]
    assert (message.header.sequence, message.header.attempt) == (stuck.sequence, 2)
    count = len(post.sent)
    post.wait(again)
    assert len(post.sent) == count
    post.back(message.header)
    assert post.behavior.passes.lost == 0 and len(post.draw()) == 2


def test_training_does_not_wait_at_the_end_of_a_pass():
    post = Played(epochs=2, concurrency=3)
    first = post.draw(2)
    post.behavior.exhausted()
    (second,) = post.draw()
    assert [header.pass_number for header in [*first, second]] == [1, 1, 2]
    post.behavior.exhausted()
    for header in [second, *first]:
        post.back(header)
    assert [report.epoch for report in post.reports] == [1, 2]
    assert [counted(report) for report in post.reports] == [{0, 1, 2, 3}, {4, 5}]
    assert not post.behavior.can_draw() and post.behavior.state == "resting"


@pytest.mark.parametrize("mode", ["validate", "test", "predict"])
def test_a_pass_with_pins_opens_with_one_batch_that_goes_alone(mode):
    post = Played(mode, concurrency=3)
    (opening,) = post.draw()
    assert opening.opening
    post.predictions(opening)
    rest = post.draw()
    assert len(rest) == 3 and not any(header.opening for header in rest)


def test_a_pass_whose_pin_is_unknown_starts_again_under_a_new_number_and_counts_nothing_twice():
    post = Played("test", concurrency=2)
    (opening,) = post.draw()
    post.predictions(opening)
    second, third = post.draw()
    post.predictions(second)
    post.behavior.receive(Refused(third, "g0"))
    assert (post.behavior.restarts, post.behavior.in_flight) == (1, 0)
    post.number = 0
    (again,) = post.draw()
    assert (again.pass_number, again.sequence, again.opening) == (2, 3, True)
    post.predictions(third)
    post.behavior.receive(Refused(third, "g1"))
    assert post.behavior.restarts == 1 and post.behavior.in_flight == 1
    post.predictions(again)
    post.behavior.can_draw()
    post.behavior.exhausted()
    (report,) = post.reports
    assert report.epoch == 1 and counted(report) == {0, 1}


def test_a_restarted_pass_that_completes_resets_the_count():
    post = Played("validate", max_attempts=1, every=1.0)
    for _ in range(5):
        (refused,) = post.draw()
        post.behavior.receive(Refused(refused, "g4"))
        (opening,) = post.draw()
        post.predictions(opening)
        post.behavior.can_draw()
        post.behavior.exhausted()
        post.wait(1.0)
    assert post.behavior.state == "running" and post.behavior.restarts == len(post.reports) == 5


def test_predictions_come_in_the_order_of_the_data():
    post = Played("predict", concurrency=3)
    (opening,) = post.draw()
    post.predictions(opening)
    rest = post.draw(3)
    for header in reversed(rest):
        post.predictions(header)
    assert sorted(post.behavior.outputs) == [0, 1, 2, 3]
    assert [post.behavior.outputs[number].tobytes() for number in range(4)] == [
        array(n, 2, 3).tobytes() for n in range(4)
    ]


def test_a_message_for_another_sentinel_is_dropped():
    post = Played()
    (header, *_) = post.draw()
    post.predictions(dataclasses.replace(header, reply_to=Address("w", "b")))
    post.behavior.receive(Leave("net", HOME))
    assert post.behavior.dropped == 2 and post.behavior.in_flight == 3


def test_a_paused_sentinel_sends_nothing_and_completes_the_batches_in_flight():
    post = Played()
    headers = post.draw()
    post.behavior.pause()
    post.back(headers[0])
    assert post.draw() == [] and post.behavior.in_flight == 2
    post.wait(10.0)
    assert [message.header.attempt for _, message in post.sent[-2:]] == [2, 2]
    post.behavior.resume()
    assert len(post.draw()) == 1


def test_a_resting_sentinel_continues_when_more_passes_are_asked_for_and_never_beyond_its_own():
    post = Played(epochs=3, concurrency=1)
    for _ in (1, 2, 3):
        post.behavior.count(1)
        (header,) = post.draw(1)
        post.behavior.exhausted()
        post.back(header)
        assert not post.behavior.can_draw() and post.behavior.state == "resting"
    post.behavior.count(1)
    assert not post.behavior.can_draw() and post.behavior.state == "resting"
    assert [report.epoch for report in post.reports] == [1, 2, 3]


def test_a_resting_sentinel_draws_no_batch_of_a_further_pass():
    post = Played(concurrency=3)
    first = post.draw(2)
    post.behavior.exhausted()
    (second,) = post.draw(1)
    post.behavior.count(1)
    post.back(first[0])
    (rest,) = post.draw(1)
    assert rest.pass_number == second.pass_number == 2
    post.behavior.exhausted()
    for header in [first[1], second, rest]:
        assert not post.behavior.can_draw() and post.behavior.state == "running"
        post.back(header)
    assert not post.behavior.can_draw() and post.behavior.state == "resting"
    assert [counted(report) for report in post.reports] == [{0, 1, 2, 3}, {4, 5, 6, 7}]


def test_a_pause_within_the_passes_that_are_waited_for_changes_nothing_of_their_number():
    post = Played(concurrency=1)
    post.behavior.count(2)
    for _ in (1, 2):
        (header,) = post.draw(1)
        post.behavior.pause()
        post.behavior.exhausted()
        post.back(header)
        post.behavior.can_draw()
        post.behavior.resume()
    assert not post.behavior.can_draw() and post.behavior.state == "resting" and len(post.reports) == 2
    post.behavior.pause()
    assert not post.behavior.can_draw() and post.behavior.state == "resting"


def test_a_sentinel_that_leaves_notifies_the_gates_and_its_credits_return():
    post = Played()
    headers = post.draw()
    post.behavior.stop()
    assert post.behavior.state == "left" and post.behavior.in_flight == 0
    assert post.sent[-2:] == [(gate, Leave("net", HOME)) for gate in (FRONT, BACK)]
    post.back(headers[0])
    post.behavior.resume()
    assert post.draw() == [] and post.reports == [] and post.behavior.state == "left"
