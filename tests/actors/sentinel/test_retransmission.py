"""The timer of resent batches."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer

laws = settings(max_examples=200, deadline=None, derandomize=True)
times = st.floats(1e-3, 100.0)


def having_seen(*seconds, **options):
    deadline = RetransmissionTimer(**options)
    for number in seconds:
        deadline.observe(number)
    return deadline


def test_before_anything_was_seen_every_attempt_has_the_first_time():
    deadline = RetransmissionTimer(first=7.0)
    assert [deadline.seconds(attempt) for attempt in (1, 2, 5)] == [7.0, 7.0, 7.0]


@laws
@given(st.lists(times, min_size=1, max_size=20))
def test_each_attempt_waits_twice_as_long_as_the_one_before_up_to_a_bound(seen):
    deadline = having_seen(*seen, first=30.0)
    waits = [deadline.seconds(attempt) for attempt in range(1, 8)]
    bound = max(30.0, waits[0])
    assert all(later == min(2 * earlier, bound) for earlier, later in pairwise(waits))


@laws
@given(st.lists(times, max_size=20), st.integers(1, 5), st.floats(0.1, 10.0))
def test_a_wait_is_never_below_the_least(seen, attempt, least):
    assert having_seen(*seen, first=10.0, least=least).seconds(attempt) >= least


@laws
@given(times, st.integers(30, 60))
def test_a_steady_time_is_followed_up_to_the_factor(time, count):
    deadline = having_seen(*[time] * count, least=1e-9, factor=8.0)
    assert 8 * time <= deadline.seconds(1) <= 8 * time * 1.01


@laws
@given(st.lists(times, min_size=1, max_size=20), st.floats(1.5, 100.0))
def test_slower_batches_lengthen_the_wait_beyond_the_last_observation(seen, slower):
    deadline = having_seen(*seen, least=1e-9, factor=8.0, first=1e9)
    before = deadline.seconds(1)
    late = max(before, *seen) * slower
    deadline.observe(late)
    assert deadline.seconds(1) > max(before, late)


@laws
@given(times, times)
def test_the_wait_returns_to_its_former_length(quick, slow):
    deadline = having_seen(quick, least=1e-9)
    first = deadline.seconds(1)
    for number in [slow] * 5 + [quick] * 200:
        deadline.observe(number)
    assert deadline.seconds(1) <= first


def test_jacobsons_numbers_by_hand():
    deadline = having_seen(1.0, least=0.0, factor=1.0)
    assert deadline.seconds(1) == 1.0 + 4 * 0.5
    deadline.observe(2.0)
    assert deadline.seconds(1) == (1.0 + 1 / 8) + 4 * (0.5 + 0.5 / 4)


def test_after_a_batch_that_was_resent_others_have_its_time_until_a_round_trip_is_seen():
    deadline = having_seen(1.0, least=0.0, first=1e9)
    once, thrice = deadline.seconds(1), deadline.seconds(3)
    deadline.back_off(3)
    assert deadline.seconds(1) == deadline.seconds(3) == thrice == 4 * once
    deadline.observe(1.0)
    assert deadline.seconds(1) < once
