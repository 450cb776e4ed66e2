"""The bookkeeping of passes: drawn and completed batches, and when the next pass is due."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import Sentinel
from akkordeon_dask._numbers import LARGEST_COUNT
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.actors.sentinel._open_pass import OpenPass
from akkordeon_dask.actors.sentinel._passes import Passes
from tests.support.numbered_samples import Numbers, numbered

DATA = numbered(8)


def batch(one, samples, loss=1.0, scores=()):
    """The next batch of a pass."""
    states = dict(zip(["numbers"], [(score * samples, samples) for score in scores], strict=False))
    x = np.zeros((samples, 4))
    return BatchInFlight(one.number, one.first + one.finished, x, None, opening=False, loss=loss, scores=states)


def drawn(passes, batches, now=0.0):
    """A pass that begins, all its batches drawn."""
    assert passes.begin(now)
    one = passes.drawing
    for _ in range(batches):
        assert passes.draw()[0] is one
    if passes.drawing is not None:
        passes.stop_drawing()
    return one


def complete(passes, one, now, batches=None):
    """Complete batches; returns the report of the pass that has ended then, if one has."""
    for _ in range(one.drawn - one.finished if batches is None else batches):
        one.add(batch(one, 4), [Numbers()])
    reports = passes.report("a", now)
    assert len(reports) < 2
    return reports[0] if reports else None


def test_an_open_pass_has_progress():
    passes = Passes(Sentinel.train(DATA, scores=[Numbers()]))
    assert passes.progress(32, 0.0) is None
    one = drawn(passes, 4, now=10.0)
    begun = passes.progress(32, 11.0)
    assert (begun.samples, begun.share, begun.remaining, math.isnan(begun.loss)) == (0, 0.0, None, True)
    one.add(batch(one, 8, 2.0, (0.5,)), [Numbers()])
    passes.give_up(batch(one, 8))
    half = passes.progress(32, 14.0)
    assert (half.epoch, half.samples, half.total, half.share) == (1, 16, 32, 0.5)
    assert (half.seconds, half.remaining) == (4.0, 4.0)
    assert half.loss == 2.0 and list(half.scores.values()) == [0.5]


def test_progress_shows_no_score_that_takes_long_and_the_report_has_it():
    class Slow(Numbers):
        running = False

    passes = Passes(Sentinel.train(DATA, scores=[Slow()], batches_per_pass=2))
    one = drawn(passes, 2)
    one.add(batch(one, 8, 2.0, (0.5,)), [Slow()])
    assert (passes.progress(16, 1.0).loss, passes.progress(16, 1.0).scores) == (2.0, {})
    assert list(complete(passes, one, 1.0, batches=1).scores) == [Slow().name]


def test_a_pass_of_unknown_length_counts_as_long_as_the_one_before():
    passes = Passes(Sentinel.train(DATA, scores=[]))
    one = drawn(passes, 3)
    assert passes.progress(None, 0.0).total is None
    complete(passes, one, 1.0)
    drawn(passes, 3)
    assert passes.progress(None, 1.0).total == 12


def test_the_length_of_a_pass_over_a_stream_follows_from_its_mean_batch():
    passes = Passes(Sentinel.train(DATA, scores=[], batches_per_pass=4))
    one = drawn(passes, 4)
    assert passes.progress(1000, 0.0).total is None
    complete(passes, one, 1.0, batches=2)
    assert passes.progress(1000, 1.0).total == 16


def test_the_length_of_a_pass_without_end_fits_into_a_heartbeat():
    passes = Passes(Sentinel.train(DATA, scores=[], batches_per_pass=LARGEST_COUNT))
    complete(passes, drawn(passes, 2), 1.0, batches=1)
    assert passes.progress(None, 1.0).total == LARGEST_COUNT


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.floats(-5, 5), st.floats(0, 1)), min_size=1))
def test_promise_7_a_pass_adds_up_completed_and_lost_samples(batches):
    one = OpenPass(1, epoch=1, drawn=len(batches), closed=True)
    for came, samples, loss, score in batches:
        assert not one.complete
        if came:
            one.add(batch(one, samples, loss, (score,)), [Numbers()])
        else:
            one.give_up(batch(one, samples))
    assert one.complete
    sentinel = Sentinel.train(DATA, scores=[Numbers()])
    report = one.report("a", sentinel, since=0.0, now=2.0)
    home = [(samples, loss, score) for came, samples, loss, score in batches if came]
    assert report.samples == sum(samples for samples, _, _ in home)
    assert report.samples + report.lost == sum(samples for _, samples, _, _ in batches)
    if home:
        weights, losses, scores = zip(*home, strict=True)
        assert report.loss == pytest.approx(np.average(losses, weights=weights))
        assert report.scores == {"numbers": pytest.approx(np.average(scores, weights=weights))}
    else:
        assert math.isnan(report.loss) and math.isnan(report.scores["numbers"])


def test_a_pass_is_complete_when_it_is_closed_and_all_its_batches_are():
    one = OpenPass(1, epoch=1, drawn=2)
    one.add(batch(one, 4), [Numbers()])
    one.add(batch(one, 4), [Numbers()])
    assert not one.complete
    one.closed = True
    assert one.complete


def test_training_passes_overlap_and_are_reported_in_their_order():
    passes = Passes(Sentinel.train(DATA, epochs=3))
    first, second = drawn(passes, 2), drawn(passes, 1)
    assert (first.epoch, second.epoch) == (1, 2) and not passes.between
    assert complete(passes, second, now=1.0) is None
    assert complete(passes, first, now=2.0, batches=1) is None
    third = drawn(passes, 1)
    assert third.epoch == 3
    first.add(batch(first, 4), [Numbers()])
    assert [report.epoch for report in passes.report("a", 3.0)] == [1, 2]
    assert complete(passes, third, now=4.0).epoch == 3
    assert passes.all_done and not passes.begin(5.0)


def test_there_are_no_more_passes_than_the_limit_unless_it_is_raised():
    passes = Passes(Sentinel.train(DATA, epochs=2))
    open_passes = [drawn(passes, 1), drawn(passes, 1)]
    assert not passes.begin(0.0) and not passes.all_done
    for one in open_passes:
        complete(passes, one, now=1.0)
    assert passes.all_done
    passes.count(1)
    assert passes.all_done and not passes.begin(2.0)


def test_counted_passes_begin_at_the_call_open_ones_included():
    passes = Passes(Sentinel.train(DATA))
    first, second = drawn(passes, 1), drawn(passes, 1)
    passes.count(3)
    third = drawn(passes, 1)
    assert passes.limit == third.epoch == 3 and not passes.begin(0.0)
    for one in (first, second, third):
        assert not passes.all_done
        complete(passes, one, now=1.0)
    assert passes.all_done
    passes.count(None)
    assert passes.limit is None and passes.begin(3.0)


def test_an_open_pass_is_finished_though_fewer_are_counted():
    passes = Passes(Sentinel.train(DATA))
    open_passes = [drawn(passes, 1) for _ in range(3)]
    passes.count(1)
    assert passes.limit == 3 and not passes.begin(0.0)
    for one in open_passes:
        assert complete(passes, one, now=1.0).epoch == one.epoch
    assert passes.all_done


def test_without_a_limit_there_is_always_another_pass():
    passes = Passes(Sentinel.train(DATA))
    for number in range(1, 6):
        report = complete(passes, drawn(passes, 1), now=float(number))
        assert report.epoch == number and not passes.all_done


@pytest.mark.parametrize("mode", ["test", "predict"])
def test_a_test_and_a_prediction_are_one_pass(mode):
    passes = Passes(Sentinel(mode, DATA))
    complete(passes, drawn(passes, 1), now=1.0)
    assert passes.all_done and not passes.begin(2.0)


def test_validation_passes_follow_one_another_from_start_to_start():
    passes = Passes(Sentinel.validate(DATA, every="10s"))
    first = drawn(passes, 1, now=100.0)
    assert not passes.begin(500.0)
    complete(passes, first, now=103.0)
    assert passes.rest_until == 110.0
    assert not passes.begin(109.9) and passes.begin(110.0)


def test_a_validation_that_takes_longer_than_its_interval_begins_again_at_once():
    passes = Passes(Sentinel.validate(DATA, every="10s"))
    complete(passes, drawn(passes, 1, now=100.0), now=150.0)
    assert passes.begin(150.0)


def test_the_time_of_a_pass_begins_with_it_or_with_the_end_of_the_one_before():
    passes = Passes(Sentinel.train(DATA, epochs=2))
    first, second = drawn(passes, 1, now=10.0), drawn(passes, 1, now=11.0)
    assert complete(passes, first, now=14.0).seconds == 4.0
    assert complete(passes, second, now=15.0).seconds == 1.0


def test_an_abandoned_pass_is_not_finished_and_its_epoch_is_repeated():
    passes = Passes(Sentinel.validate(DATA))
    given_up = drawn(passes, 1)
    passes.abandon()
    assert passes.between and passes.drawing is None
    again = drawn(passes, 1)
    assert (again.number, again.epoch) == (given_up.number + 1, given_up.epoch)
    assert complete(passes, given_up, now=1.0) is None
    assert complete(passes, again, now=1.0).epoch == 1


def test_a_pass_that_waits_for_the_one_before_it_has_its_own_seconds():
    passes = Passes(Sentinel.train(DATA, epochs=3))
    first, second, third = drawn(passes, 1, now=10.0), drawn(passes, 1, now=11.0), drawn(passes, 1, now=12.0)
    assert passes.report("a", 12.0) == []
    second.add(batch(second, 4), [Numbers()])
    assert passes.report("a", 13.0) == []
    first.add(batch(first, 4), [Numbers()])
    assert [report.seconds for report in passes.report("a", 14.0)] == [4.0, 2.0]
    third.add(batch(third, 4), [Numbers()])
    assert [report.seconds for report in passes.report("a", 16.0)] == [2.0]


def lose(passes, one, count, **marks):
    """Lose so many batches of a pass; returns the failed pass, if there is one by then."""
    for _ in range(count):
        lost = batch(one, 4)
        for mark, value in marks.items():
            setattr(lost, mark, value)
        passes.give_up(lost)
    passes.report("a", 0.0)
    return passes.failure


def bounded(mode="train", **options):
    """Passes of which one in a hundred batches may be lost, with a concurrency of 2."""
    return Passes(Sentinel(mode, DATA, concurrency=2, **options), 0.01)


@pytest.mark.parametrize(
    ("batches", "lost", "fails"), [(500, 5, False), (500, 6, True), (100, 4, False), (100, 5, True)]
)
def test_promise_12_a_training_pass_may_lose_its_share_and_two_batches_a_credit(batches, lost, fails):
    passes = bounded()
    one = drawn(passes, batches)
    complete(passes, one, 0.0, batches - lost)
    assert (lose(passes, one, lost) is one) is fails


def test_a_pass_of_known_length_fails_as_soon_as_it_cannot_get_better():
    passes = bounded()
    passes.batches = 500
    one = drawn(passes, 100)
    complete(passes, one, 0.0, 10)
    assert lose(passes, one, 5) is None
    assert lose(passes, one, 1) is one


def test_a_pass_of_unknown_length_fails_early_where_nothing_arrives_at_all():
    passes = bounded()
    one = drawn(passes, 100)
    assert lose(passes, one, 4) is None
    assert lose(passes, one, 1) is one


@pytest.mark.parametrize("mark", ["excused", "skipped"])
def test_losses_that_a_restart_or_the_user_explains_do_not_count(mark):
    passes = bounded()
    one = drawn(passes, 100)
    complete(passes, one, 0.0, 1)
    assert lose(passes, one, 99, **{mark: True}) is None


@pytest.mark.parametrize("mode", ["train", "validate", "test"])
def test_promise_12_a_pass_without_one_sample_fails(mode):
    passes = bounded(mode, **({"every": 1.0} if mode == "validate" else {}))
    one = drawn(passes, 2)
    assert lose(passes, one, 1, excused=True) is None
    assert lose(passes, one, 1, excused=True) is one


def test_a_validation_that_lost_some_batches_is_reported():
    passes = bounded("validate", every=1.0)
    one = drawn(passes, 20)
    complete(passes, one, 0.0, 1)
    assert lose(passes, one, 19) is None
