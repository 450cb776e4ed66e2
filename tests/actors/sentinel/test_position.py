"""A training sentinel that resumes at the position of a former incarnation."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import Sentinel
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
from akkordeon_dask.actors.sentinel._passes import Passes
from akkordeon_dask.actors.sentinel._position import Position
from tests.support.numbered_samples import NumberedLoss, Numbers, numbered

laws = settings(max_examples=300, deadline=None, derandomize=True)


class Incarnation:
    """Passes over numbered batches of one sample, without gates: drawn batches are in flight until they complete."""

    def __init__(self, sentinel, samples, position=None):
        self.passes, self.in_flight, self.samples = Passes(sentinel), {}, samples
        self.reports, self.now = [], 0.0
        if position is not None:
            self.passes.resume(position, self.now)

    def draw(self):
        """Draw the next batch, of which the stream or the pass has one; False where there is none."""
        passes = self.passes
        if passes.drawing is None and not passes.begin(self.now):
            return False
        one, index = passes.drawing, passes.drawing.drawn
        if index < self.samples:
            _, sequence = passes.draw()
            if sequence is not None:
                self.in_flight[sequence] = one.number, index
        else:
            passes.stop_drawing()
            self._end()
        return True

    def complete(self, which, lost=False):
        """A batch completes, or is lost."""
        if self.in_flight:
            sequence = sorted(self.in_flight)[which % len(self.in_flight)]
            number, index = self.in_flight.pop(sequence)
            batch = BatchInFlight(number, sequence, [index], None, False, loss=1.0)
            batch.scores = {"numbers": (float(2**index), 1)}
            (self.passes.give_up if lost else self.passes.complete)(batch)
            self._end()

    def _end(self):
        self.reports += self.passes.report("a", self.now)

    def finish(self):
        """All passes to their end."""
        while self.draw():
            pass
        while self.in_flight:
            self.complete(0)
        return self.reports


steps = st.lists(st.tuples(st.sampled_from(["draw", "draw", "complete", "lose"]), st.integers(0, 5)), max_size=40)


def after_steps(sentinel, samples, taken, position=None):
    incarnation = Incarnation(sentinel, samples, position)
    for step, which in taken:
        if step == "draw":
            incarnation.draw()
        else:
            incarnation.complete(which, lost=step == "lose")
    return incarnation


def saved_position(incarnation):
    """Its position, through a snapshot."""
    return Position.from_dict(json.loads(json.dumps(incarnation.passes.position(incarnation.now).as_dict())))


def trains(samples, epochs, **options):
    return Sentinel.train(numbered(8), batch_size=1, epochs=epochs, loss=NumberedLoss(), scores=[Numbers()], **options)


@laws
@given(st.integers(1, 7), st.integers(1, 3), steps, steps)
def test_promise_7_each_batch_counts_once_over_all_incarnations(samples, epochs, first, second):
    sentinel, reports, position = trains(samples, epochs), [], None
    for taken in (first, second):
        incarnation = after_steps(sentinel, samples, taken, position)
        reports += incarnation.reports
        position = saved_position(incarnation).after(len(reports))
    reports += Incarnation(sentinel, samples, position).finish()
    assert [report.epoch for report in reports] == list(range(1, epochs + 1))
    for report in reports:
        assert report.samples + report.lost == samples
        home = round(report.scores["numbers"] * report.samples) if report.samples else 0
        assert home.bit_count() == report.samples and home < 2**samples


@laws
@given(st.integers(1, 7), st.integers(1, 3), steps)
def test_promise_1_a_batch_has_the_same_number_in_every_incarnation(samples, epochs, taken):
    sentinel = trains(samples, epochs)
    former = after_steps(sentinel, samples, taken)
    fresh = Incarnation(sentinel, samples, saved_position(former))
    while fresh.draw():
        pass
    expected = {(number - 1) * samples + place: (number, place) for number, place in fresh.in_flight.values()}
    assert fresh.in_flight == expected
    assert former.in_flight.items() <= fresh.in_flight.items()


@laws
@given(st.integers(1, 5), steps, st.integers(0, 6))
def test_passes_reported_since_a_position_are_not_repeated(samples, taken, finished):
    position = saved_position(after_steps(trains(samples, 9), samples, taken)).after(finished)
    assert position.finished >= finished
    assert [one.number for one in position.passes] == sorted({one.number for one in position.passes})
    assert all(one.number > position.finished for one in position.passes)


@laws
@given(st.integers(1, 5), st.integers(1, 3), steps)
def test_a_pass_over_a_stream_resumes_with_fresh_batches_as_many_as_it_lacks(batches, epochs, taken):
    sentinel = trains(10**6, epochs, batches_per_pass=batches)
    former = after_steps(sentinel, 10**6, taken)
    reports = former.reports + Incarnation(sentinel, 10**6, saved_position(former)).finish()
    assert [(report.epoch, report.samples + report.lost) for report in reports] == [
        (epoch, batches) for epoch in range(1, epochs + 1)
    ]


@laws
@given(st.integers(2, 7), st.integers(0, 6), steps)
def test_data_that_have_become_fewer_end_the_pass_with_the_present_ones(samples, fewer, taken):
    sentinel, left = trains(samples, 1), max(1, samples - fewer)
    former = after_steps(sentinel, samples, taken)
    reports = former.reports + Incarnation(sentinel, left, saved_position(former).after(len(former.reports))).finish()
    assert [report.epoch for report in reports] == [1]
    assert left <= reports[0].samples + reports[0].lost <= samples


def test_a_validation_has_no_position():
    assert after_steps(Sentinel.validate(numbered(8)), 8, [("draw", 0), ("complete", 0)]).passes.position(0.0) is None
