"""Loss and scores over passes: what grows holds what is drawn at once, and costs what is new."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.dashboard._page import PANES, Page
from akkordeon_dask.dashboard.panes import _curve_points
from akkordeon_dask.dashboard.panes._view import AXES, MOST, View
from akkordeon_dask.telemetry import TelemetryStore
from akkordeon_dask.telemetry._pass_log import PassLog
from tests.support.document_mirror import Mirror, Sent, held, served
from tests.support.fake_heartbeats import beat, gate, passed, sentinel

WORDS = ("loss", "scores")
EACH, KEPT = 7, 12
"""Passes that a network keeps here: of one sentinel, and of all."""

PASSES = st.builds(
    dict,
    sentinel=st.sampled_from(["a", "a", "b"]),
    mode=st.sampled_from(["train", "train", "train", "validate", "predict"]),
    seconds=st.sampled_from([1.0, 0.5, 0.5, 0.5, 30.0]),
    loss=st.sampled_from([0.25, float("nan"), float("inf")]),
    scores=st.sampled_from([{}, {"accuracy": 0.5}, {"accuracy": 0.5, "top5": 0.75}, {"top5": 0.75}]),
)
BURSTS = st.one_of(st.lists(PASSES, min_size=1, max_size=4), st.lists(PASSES, min_size=KEPT, max_size=2 * KEPT))
VIEWS = st.builds(View, st.sampled_from(list(AXES)), *[st.booleans()] * 4)
EYES = st.sets(st.sampled_from([0, 1]))
STEPS = st.lists(st.tuples(st.one_of(*[BURSTS] * 4, VIEWS, st.just("deployed")), EYES), max_size=12)
"""Each step is an event, and the set of those of two pages that update after it."""
FEW = settings(max_examples=25)


class Story:
    """A store, and the telemetry of its network, which keeps few passes."""

    def __init__(self):
        self.store, self.now, self.view = TelemetryStore(), 0.0, View()
        self.take("deployed")

    @property
    def network(self):
        return self.store.networks["net"]

    def take(self, step):
        """Tell of passes, turn the switches, or put a network of the same name in its place."""
        if step == "deployed":
            self.store.event({"network": "net", "event": "deployed", "gates": []}, self.now)
            self.network.passes = PassLog(EACH, KEPT)
        elif isinstance(step, View):
            self.view = step
        else:
            for one in step:
                self.now += 1.0
                figures = {"updates": 7 * int(self.now), "samples_trained": 64 * int(self.now)} | one
                self.store.event(passed(epoch=int(self.now), **figures), self.now)

    def look(self, pane):
        """Show it as it is."""
        pane.view = self.view
        pane.show(self.network)


def seen(pane):
    """All that a pane shows, as text: NaN is NaN."""
    plot, names = pane.root, ("line_color", "line_dash", "line_alpha", "fill_alpha")
    curves = [
        (one.name, one.visible, [getattr(one.glyph, name, None) for name in names], one.glyph.y, one.data_source.data)
        for one in plot.renderers
    ]
    (legend,) = plot.legend
    named = [(item.label.value, [one.name for one in item.renderers]) for item in legend.items]
    axes = [(axis.axis_label, type(axis.ticker).__name__, axis.ticker.min_interval) for axis in plot.axis]
    places = {one.id: place for place, one in enumerate(plot.renderers)}
    ranges = [[places[one.id] for one in axis.renderers] for axis in (plot.x_range, plot.y_range)]
    return repr((curves, named, axes, ranges, type(plot.y_scale).__name__, plot.title.text))


def curves(pane):
    """The curves of a pane, without their points and means, and without what keeps values in sight."""
    return [one for one in pane.root.renderers if one.tags][::3]


@pytest.mark.slow
@given(st.sampled_from(WORDS), STEPS)
def test_curves_that_grow_show_what_curves_drawn_at_once_show(word, steps):
    story, panes, fresh = Story(), [PANES[word](), PANES[word]()], PANES[word]()
    for step, eyes in steps:
        story.take(step)
        for eye in eyes:
            story.look(panes[eye])
    for pane in (*panes, fresh):
        story.look(pane)
    assert seen(panes[0]) == seen(panes[1]) == seen(fresh)


@pytest.mark.slow
@FEW
@given(st.sampled_from(WORDS), STEPS)
def test_a_browser_gets_all_of_it_by_messages(word, steps):
    story, pane = Story(), PANES[word]()
    document = served(pane.root)
    mirror = Mirror(document)
    for step, _ in steps:
        story.take(step)
        story.look(pane)
    assert held(mirror.document) == held(document)


@pytest.mark.parametrize("word", WORDS)
def test_a_record_that_forgets_passes_keeps_the_order_of_the_curves(word):
    story, pane = Story(), PANES[word]()
    for number in range(5 * KEPT):
        story.take([{"sentinel": "ab"[number % 2]}])
        story.look(pane)
        assert [one.name for one in curves(pane)] == ["a", "b"][: number + 1]


@pytest.mark.parametrize("word", WORDS)
def test_a_curve_goes_when_its_last_pass_is_forgotten(word):
    story, pane = Story(), PANES[word]()
    for number in range(2 * KEPT):
        story.take([{"sentinel": f"s{number}"}])
        story.look(pane)
        shown = {one.name for one in curves(pane)}
        assert shown == {one.sentinel for one in story.network.passes} and f"s{number}" in shown
    assert "s0" not in shown


@pytest.mark.parametrize("word", WORDS)
def test_a_sentinel_with_few_passes_keeps_its_points_however_fast_another_one_is(word):
    story, pane = Story(), PANES[word]()
    story.take([{"sentinel": "a"}] * 3)
    for _ in range(5 * KEPT):
        story.take([{"sentinel": "b"}])
        story.look(pane)
        assert curves(pane)[0].data_source.data["epoch"] == [1, 2, 3]


@pytest.mark.parametrize("word", WORDS)
def test_the_start_stays_where_it_is_when_the_first_pass_is_forgotten(word):
    story, pane = Story(), PANES[word]()
    for _ in range(3 * KEPT):
        story.take([{"sentinel": "a", "seconds": 1.0}])
        story.look(pane)
    assert curves(pane)[0].data_source.data["elapsed"][-1] == story.now


def finish_pass(store, second):
    """A second of a network at work; its gate's figures are different each time, and have the same form."""
    at = float(second)
    figures = {"at": at, "forwards": second, "busy": 0.5 * at, "delays": ((0, 1 + second), (1, 1))}
    ones = sentinel(at=at, samples=second)
    store.update([beat(at=at, gates=[gate(**figures)], sentinels=[ones])], at)
    store.event(passed(epoch=second + 1), at)


def update_after(passes):
    """The data sent by an update after so many passes, with one more pass and one more row of the history."""
    store = TelemetryStore()
    for second in range(passes):
        finish_pass(store, second)
    page = Page(store)
    page.update()
    sent = Sent(served(page.root))
    finish_pass(store, passes)
    page.update()
    return sent


def test_the_data_sent_by_an_update_do_not_depend_on_the_number_of_passes():
    short, long, trimmed = update_after(100), update_after(1500), update_after(2500)
    assert short.cells == long.cells == trimmed.cells
    assert len(short.messages) == len(long.messages) == len(trimmed.messages)


def test_a_pass_is_one_point_a_curve_and_a_moment_is_one_message_for_all_lines():
    streamed = sorted(count for kind, count in update_after(100).messages if kind == "streamed")
    assert streamed[:2] == [len(_curve_points.COLUMNS) + 1] * 2
    assert len(streamed) == 3


def test_an_update_without_anything_new_sends_none_of_the_lines_curves_and_tables():
    store = TelemetryStore()
    finish_pass(store, 0)
    page = Page(store)
    page.update()
    sent = Sent(served(page.root))
    page.update()
    assert sum(kind == "streamed" for kind, _ in sent.messages) == 0


def test_an_untrained_first_validation_does_not_flatten_the_curves_and_a_switch_shows_it():
    story, pane = Story(), PANES["loss"]()
    for number in range(EACH - 1):
        loss = 1e6 if number == 0 else 0.5 - 0.01 * number
        story.take([{"sentinel": "v", "mode": "validate", "loss": loss}, {"sentinel": "t", "loss": loss / 2}])
        story.look(pane)
        (frame,) = pane.root.y_range.renderers
        low, high = frame.data_source.data["y"]
        assert high == 1e6 if number < 3 else (low, high) == (0.25 - 0.005 * number, 0.49)
    story.take(View(whole=True))
    story.look(pane)
    assert pane.root.y_range.renderers == pane.root.x_range.renderers


def test_the_first_pass_is_in_sight_where_it_flattens_nothing():
    story, pane = Story(), PANES["loss"]()
    story.take([{"sentinel": "a", "loss": loss} for loss in (0.9, 0.7, 0.6, 0.5, 0.4)])
    story.look(pane)
    assert pane.root.y_range.renderers[0].data_source.data["y"] == [0.4, 0.9]


def test_a_smoothed_curve_is_a_mean_with_weights_that_fall_and_steps_over_what_is_no_number():
    story, pane = Story(), PANES["loss"]()
    for loss in (1.0, float("nan"), 2.0, float("inf"), 4.0):
        story.take([{"sentinel": "a", "loss": loss}])
        story.look(pane)
    data = curves(pane)[0].data_source.data
    assert repr(data["value"]) == "[1.0, nan, 2.0, nan, 4.0]"
    weights = [0.6**age for age in range(3)]
    expected = [1.0, (2 * weights[0] + weights[1]) / 1.6, (4 * weights[0] + 2 * weights[1] + weights[2]) / 1.96]
    assert [data["smooth"][place] for place in (0, 2, 4)] == pytest.approx(expected)


def test_smoothing_lets_the_curve_be_seen_faintly_below_its_mean():
    story, pane = Story(), PANES["loss"]()
    story.take([{"sentinel": "a"}] * 3)
    for smooth in (False, True, False):
        story.take(View(smooth=smooth))
        story.look(pane)
        line, dots, mean = (one.glyph for one in pane.root.renderers if one.tags)
        assert (line.line_alpha < 1, dots.fill_alpha < 1, mean.line_alpha) == (smooth, smooth, smooth)


def test_at_most_six_curves_are_seen_at_a_glance_the_first_of_each_mode_and_a_switch_shows_all():
    story, pane = Story(), PANES["loss"]()
    story.network.passes = PassLog()
    story.take([{"sentinel": f"t{number}"} for number in range(20)] + [{"sentinel": "v", "mode": "validate"}])
    story.look(pane)
    assert [one.name for one in curves(pane) if one.visible] == ["t0", "v", "t1", "t2", "t3", "t4"]
    assert [item.label.value for item in pane.root.legend[0].items] == ["t0", "v", "t1", "t2", "t3", "t4"]
    assert pane.root.title.text == f"Loss ({MOST} of 21 curves)"
    story.take(View(every=True))
    story.look(pane)
    assert sum(one.visible for one in curves(pane)) == 21
    assert pane.root.title.text == "Loss"


def test_an_axis_that_the_reader_has_moved_is_reset_by_another_unit():
    story, pane = Story(), PANES["loss"]()
    story.take([{"sentinel": "a"}] * 3)
    story.look(pane)
    before = pane.root.x_range, pane.root.y_range
    story.take(View(smooth=True))
    story.look(pane)
    assert (pane.root.x_range, pane.root.y_range) == before
    story.take(View("updates", smooth=True))
    story.look(pane)
    assert pane.root.x_range is not before[0] and pane.root.y_range is before[1]


@pytest.mark.parametrize("word", WORDS)
def test_ticks_of_what_is_counted_are_whole_numbers(word):
    pane = PANES[word]()
    for x, axis in AXES.items():
        pane.view = View(x)
        pane.show(None)
        assert pane.root.xaxis[0].ticker.min_interval == (1 if axis.whole else 0)
