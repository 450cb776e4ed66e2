"""The batches of a sentinel in flight: their attempts, and the one that holds the others up."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight, InFlightBatches
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from tests.support.numbered_samples import header

laws = settings(max_examples=100, deadline=None, derandomize=True)


def batch(sequence, samples=4):
    return BatchInFlight(1, sequence, np.zeros((samples, 2)), None, opening=False)


def in_flight(count, *, max_attempts=3, first=10.0):
    """So many batches, each in its first attempt since time 0."""
    batches = InFlightBatches(RetransmissionTimer(first=first), max_attempts)
    for sequence in range(count):
        batches.add(one := batch(sequence))
        batches.begin_attempt(one, 0.0)
    return batches


def test_a_message_matches_the_present_attempt_alone():
    batches = in_flight(2)
    assert batches.matching(header(1, attempt=1)).sequence == 1
    batches.begin_attempt(batches.matching(header(1, attempt=1)), 5.0)
    assert batches.matching(header(1, attempt=1)) is None
    assert batches.matching(header(1, attempt=2)).sequence == 1
    assert batches.matching(header(7, attempt=1)) is None


def test_the_floor_is_the_oldest_batch_or_the_next_one_where_none_is_in_flight():
    batches = in_flight(3)
    batches.release(batches.matching(header(1, attempt=1)), lost=False)
    assert (batches.floor(3), batches.samples, len(batches)) == (0, 8, 2)
    for one in list(batches):
        batches.release(one, lost=one.sequence == 2)
    assert (batches.floor(3), batches.samples, batches.lost) == (3, 0, (2,))


def test_a_standstill_postpones_what_was_sent_before_and_nothing_that_was_sent_since():
    batches = in_flight(1)
    batches.add(since := batch(1))
    batches.begin_attempt(since, 600.0)
    batches.postpone(590.0, 600.0)
    assert [one.sent for one in batches] == [590.0, 600.0]


def test_a_batch_is_overdue_once_its_attempt_has_taken_its_time():
    batches = in_flight(2, first=10.0)
    batches.begin_attempt(batches.matching(header(1, attempt=1)), 4.0)
    assert batches.due(concurrency=8) == 10.0
    assert [one.sequence for one in batches.overdue(10.0)] == [0]
    assert [one.sequence for one in batches.overdue(14.0)] == [0, 1]


def test_the_last_attempt_is_followed_by_another_only_while_a_restart_is_waited_for():
    batches = in_flight(1, max_attempts=2)
    (one,) = batches
    assert batches.may_retry(one, 0.0)
    batches.begin_attempt(one, 0.0)
    assert not batches.may_retry(one, 0.0)
    batches.interrupted_until = 20.0
    assert batches.may_retry(one, 19.0) and not batches.may_retry(one, 20.0)


@laws
@given(st.integers(1, 9), st.lists(st.booleans(), max_size=60))
def test_no_batch_is_overtaken_by_more_than_twice_the_concurrency(concurrency, draws):
    """The sentinel draws where nothing blocks, else another batch than the oldest one completes."""
    batches = in_flight(1)
    (oldest,) = batches
    overtaken, drawn = 0, 1
    for draw in draws:
        others = [one for one in batches if one is not oldest]
        if draw and len(batches) < concurrency and batches.blocking(concurrency) is None:
            batches.add(one := batch(drawn))
            batches.begin_attempt(one, 0.0)
            drawn += 1
        elif others:
            batches.release(others[0], lost=False)
            overtaken += 1
    assert overtaken <= 2 * concurrency
    assert batches.blocking(concurrency) in (None, oldest)
    assert (batches.hurried_at(concurrency) < math.inf) == (batches.blocking(concurrency) is oldest)
