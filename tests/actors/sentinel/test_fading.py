"""A fading average: each sample is worth a factor of the next one."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import Sentinel, data, nn
from akkordeon_dask.actors.sentinel._evaluation import score_batch
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.actors.sentinel._passes import Passes
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.errors import SpecError

bounded = settings(max_examples=60, deadline=None, derandomize=True)
DATA = data.arrays(np.zeros((8, 2), np.float32), np.zeros(8, int))


def stream(**options):
    return Sentinel.train(DATA, report_every=10, **{"fading": 0.9} | options)


def begun(sentinel, position=None):
    passes = Passes(sentinel)
    if position is not None:
        passes.resume(position, 0.0)
    passes.begin(0.0)
    return passes


def complete(passes, y, target, loss, weight=None):
    """A batch is drawn and completes."""
    if passes.drawing is None:
        passes.begin(0.0)
    one, sequence = passes.draw(len(y), 0.0)
    batch = BatchInFlight(one.number, sequence, y, target, opening=False, loss=loss, weight=weight)
    batch.scores = score_batch(passes._sentinel.scores, y, target)
    passes.complete(batch)
    return passes.report("a", 0.0)


def problem(batches, size, seed):
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(size, 3)), rng.integers(0, 3, size), float(rng.random())) for _ in range(batches)]


@bounded
@given(batches=st.integers(1, 12), size=st.integers(1, 5), factor=st.floats(0.5, 0.999), seed=st.integers(0, 99))
def test_it_is_the_recursion_of_the_paper_with_batches_in_the_place_of_samples(batches, size, factor, seed):
    passes = begun(stream(fading=factor))
    loss = right = count = 0.0
    for y, target, one in problem(batches, size, seed):
        complete(passes, y, target, one)
        share = factor**size
        loss, count = share * loss + size * one, share * count + size
        right = share * right + np.count_nonzero(y.argmax(axis=1) == target)
        scores = passes._fading.results(passes._sentinel)
        assert scores["fading_loss"] == pytest.approx(loss / count)
        assert scores["fading_accuracy"] == pytest.approx(right / count)


def test_it_goes_on_over_reports_and_in_the_next_incarnation():
    sentinel, batches = stream(), problem(9, 4, 0)
    whole, first = begun(sentinel), begun(sentinel)
    reports = [report for batch in batches for report in complete(whole, *batch)]
    assert [report.samples for report in reports] == [12, 12, 12]
    for batch in batches[:4]:
        complete(first, *batch)
    position = Position.from_dict(json.loads(json.dumps(first.position(0.0).as_dict())))
    assert position == first.position(0.0)
    second = begun(sentinel, position)
    last = [report for batch in batches[4:] for report in complete(second, *batch)][-1]
    assert last.samples == 12 and last.scores == pytest.approx(reports[-1].scores)
    assert reports[0].scores["fading_loss"] != pytest.approx(reports[0].loss)


def test_weights_count_and_a_constant_stays_what_it_is():
    passes = begun(stream())
    y, target = np.eye(3), np.arange(3)
    for _ in range(5):
        complete(passes, y, target, 0.5, weight=7.0)
    assert passes._fading.results(passes._sentinel) == pytest.approx({"fading_loss": 0.5, "fading_accuracy": 1.0})
    assert passes.progress(None, 0.0) is None or not math.isnan(passes.progress(None, 0.0).scores["fading_loss"])


def test_scores_that_do_not_add_up_have_no_such_average():
    passes = begun(stream(scores=[nn.ROCAUC(), nn.F1(), nn.Accuracy()]))
    complete(passes, *problem(1, 12, 0)[0])
    assert passes._fading.results(passes._sentinel).keys() == {"fading_loss", "fading_f1", "fading_accuracy"}


def test_a_pass_ends_with_the_batch_that_reaches_its_samples_or_its_time():
    by_time = Passes(Sentinel.train(DATA, report_every="2s"))
    assert by_time.begin(10.0)
    assert not by_time.stop_if_due(20.0)  # nothing was drawn yet
    by_time.draw(4, 11.0)
    assert by_time.drawing is not None and not by_time.stop_if_due(11.9)
    assert by_time.stop_if_due(12.0) and by_time.drawing is None and not by_time.stop_if_due(13.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report_every": 0}, "report_every is a whole number of at least 1, not 0"),
        ({"report_every": "soon"}, "report_every, if it is no number, is a time above zero"),
        ({"report_every": 10, "batches_per_pass": 3}, "both end a pass: give one"),
        ({"fading": 1}, "fading is a finite number above 0 and below 1, not 1"),
        ({"fading": 0}, "fading is a finite number above 0"),
    ],
)
def test_bad_reports_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        Sentinel.train(DATA, **options)
    with pytest.raises(SpecError, match=r"a validate sentinel has no fading=0\.5"):
        Sentinel.validate(DATA, fading=0.5)


def test_counts_and_times_stay_apart():
    assert repr(stream(fading=0.5)).endswith("report_every=10, fading=0.5)")
    times = [Sentinel.train(DATA, report_every=every).report_every for every in (3, np.int64(3), 3.0, "3s", "1min")]
    assert [(type(one), one) for one in times] == [(int, 3), (int, 3), (float, 3.0), (float, 3.0), (float, 60.0)]
