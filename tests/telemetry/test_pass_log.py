"""Passes in bounded memory: the newest of everybody, the older ones ever sparser, back to the first."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from akkordeon_dask.messages import PassReport
from akkordeon_dask.telemetry._pass_log import PassLog

EACH, TOTAL = 16, 40


def passed(number, sentinel="a", mode="train"):
    """A pass that ended after so many seconds."""
    return PassReport(sentinel, mode, number, 0.5, {}, 100, 0, 1.0, 0, ended=float(number))


def append(log, names):
    """Append a pass of each of these sentinels; returns all of them."""
    passes = [passed(number, sentinel) for number, sentinel in enumerate(names)]
    for one in passes:
        log.append(one)
    return passes


def of(sentinel, passes):
    return [one for one in passes if one.sentinel == sentinel]


@given(st.lists(st.sampled_from("aaaaaaaabbbc"), max_size=200))
def test_it_keeps_the_order_the_newest_and_the_first_of_everybody_and_is_bounded(names):
    log = PassLog(EACH, TOTAL)
    passes = append(log, names)
    kept = list(log)
    assert [one for one in passes if one in kept] == kept
    assert (len(log), log.seen) == (len(kept), len(passes)) and len(log) <= TOTAL
    for sentinel in set(names):
        all_, mine = of(sentinel, passes), of(sentinel, kept)
        assert len(mine) <= EACH and mine[0] is all_[0]
        newest = min(len(all_), EACH // 2)
        assert mine[-newest:] == all_[-newest:]


@given(st.lists(st.integers(0, 30), max_size=200))
def test_with_very_many_sentinels_it_is_bounded_and_has_the_newest(names):
    log = PassLog(EACH, 12)
    passes = append(log, names)
    assert len(log) <= 12 and log[-1:] == passes[-1:]


def test_with_a_new_sentinel_for_each_pass_it_has_the_newest_passes():
    log = PassLog(EACH, TOTAL)
    passes = append(log, range(500))
    assert TOTAL * 3 // 4 <= len(log) <= TOTAL and list(log) == passes[-len(log) :]


def test_few_are_all_kept():
    log = PassLog(EACH, TOTAL)
    passes = append(log, "a" * EACH + "b" * EACH)
    assert list(log) == passes and log.thinned == 0


def test_older_ones_are_evenly_spaced_over_the_whole_run_however_long_it_is():
    log = PassLog(64, 128)
    for number in range(5_000):
        log.append(passed(number))
        gaps = [later.epoch - earlier.epoch for earlier, later in pairwise(log)]
        # One for the older ones, none for the newest, and what is between them.
        assert len({*gaps, 1}) <= 3
        # More than sixteen have the double stride before every second one goes: eight of them stay.
        assert max(gaps, default=1) <= max(1, number / 8)


def test_a_sentinel_that_validates_now_and_then_keeps_all_beside_one_that_trains_fast():
    log = PassLog(EACH, TOTAL)
    passes = append(log, ("a" * 100 + "v") * 10)
    assert of("v", log) == of("v", passes)


def test_thinning_is_counted():
    log = PassLog(EACH, TOTAL)
    append(log, "a" * EACH)
    before = list(log)
    log.append(passed(EACH))
    assert log.thinned == 1 and not set(map(id, before)) <= set(map(id, log))


@pytest.mark.parametrize("place", [-1, 0, slice(-3, None), slice(None, -4, -1)])
def test_it_is_read_as_a_list_is(place):
    log = PassLog(EACH, TOTAL)
    passes = append(log, "abc" * 3)
    assert log[place] == passes[place]
