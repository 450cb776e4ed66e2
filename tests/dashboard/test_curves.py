"""Loss and scores over passes: what grows holds what is drawn at once, and costs what is new."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.dashboard import Board, _trace
from akkordeon_dask.dashboard._page import PANES, Page
from akkordeon_dask.dashboard._pass_log import PassLog
from tests.dashboard._mirror import Mirror, Sent, held, served
from tests.dashboard._told import beat, gate, passed, sentinel

WORDS = ("loss", "scores")
EACH, KEPT = 7, 12
"""Passes that a record keeps here: of one sentinel, and of all."""

PASSES = st.builds(
    dict,
    sentinel=st.sampled_from(["a", "a", "b"]),
    mode=st.sampled_from(["train", "train", "train", "validate", "predict"]),
    seconds=st.sampled_from([1.0, 0.5, 0.5, 0.5, 30.0]),
    loss=st.sampled_from([0.25, float("nan"), float("inf")]),
    scores=st.sampled_from([{}, {"accuracy": 0.5}, {"accuracy": 0.5, "top5": 0.75}, {"top5": 0.75}]),
)
BURSTS = st.one_of(st.lists(PASSES, min_size=1, max_size=4), st.lists(PASSES, min_size=KEPT, max_size=2 * KEPT))
AXES = st.sampled_from(["epoch", "elapsed"])
EYES = st.sets(st.sampled_from([0, 1]))
STEPS = st.lists(st.tuples(st.one_of(*[BURSTS] * 4, AXES, st.just("deployed")), EYES), max_size=12)
"""What happens, and which of two pages look then."""
FEW = settings(max_examples=25)


class Story:
    """A network of which passes are told; its record keeps few."""

    def __init__(self):
        self.board, self.now, self.axis = Board(), 0.0, "epoch"
        self.take("deployed")

    @property
    def record(self):
        return self.board.networks["net"]

    def take(self, step):
        """Tell of passes, choose another axis, or put a network of the same name in its place."""
        if step == "deployed":
            self.board.event({"network": "net", "event": "deployed", "gates": []}, self.now)
            self.record.passes = PassLog(EACH, KEPT)
        elif isinstance(step, str):
            self.axis = step
        else:
            for one in step:
                self.now += 1.0
                self.board.event(passed(epoch=int(self.now), **one), self.now)

    def look(self, pane):
        """Show it as it is."""
        pane.x = self.axis
        pane.show(self.record)


def seen(pane):
    """All that a pane shows, as text: NaN is NaN."""
    curves = [
        (one.name, one.glyph.x, one.glyph.line_color, getattr(one.glyph, "line_dash", None), one.data_source.data)
        for one in pane.root.renderers
    ]
    (legend,) = pane.root.legend
    named = [(item.label.value, [one.name for one in item.renderers]) for item in legend.items]
    return repr((curves, named, [axis.axis_label for axis in pane.root.axis]))


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
        assert [one.name for one in pane.root.renderers[::2]] == ["a", "b"][: number + 1]


@pytest.mark.parametrize("word", WORDS)
def test_a_curve_goes_when_its_last_pass_is_forgotten(word):
    story, pane = Story(), PANES[word]()
    for number in range(2 * KEPT):
        story.take([{"sentinel": f"s{number}"}])
        story.look(pane)
        shown = {one.name for one in pane.root.renderers}
        assert shown == {one.sentinel for one in story.record.passes} and f"s{number}" in shown
    assert "s0" not in shown


@pytest.mark.parametrize("word", WORDS)
def test_a_sentinel_with_few_passes_keeps_its_points_however_fast_another_one_is(word):
    story, pane = Story(), PANES[word]()
    story.take([{"sentinel": "a"}] * 3)
    for _ in range(5 * KEPT):
        story.take([{"sentinel": "b"}])
        story.look(pane)
        assert pane.root.renderers[0].data_source.data["epoch"] == [1, 2, 3]


@pytest.mark.parametrize("word", WORDS)
def test_the_start_stays_where_it_is_when_the_first_pass_is_forgotten(word):
    story, pane = Story(), PANES[word]()
    for _ in range(3 * KEPT):
        story.take([{"sentinel": "a", "seconds": 1.0}])
        story.look(pane)
    assert pane.root.renderers[0].data_source.data["elapsed"][-1] == story.now


def told(board, second):
    """A second of a network at work; its gate's figures are different each time, and have the same form."""
    at = float(second)
    figures = {"at": at, "forwards": second, "busy": 0.5 * at, "delays": ((0, 1 + second), (1, 1))}
    ones = sentinel(at=at, samples=second)
    board.take([beat(at=at, gates=[gate(**figures)], sentinels=[ones])], at)
    board.event(passed(epoch=second + 1), at)


def update_after(passes):
    """What an update sends after so many passes, with one more pass and one more row of the history."""
    board = Board()
    for second in range(passes):
        told(board, second)
    page = Page(board)
    page.update()
    sent = Sent(served(page.root))
    told(board, passes)
    page.update()
    return sent


def test_what_an_update_sends_does_not_depend_on_how_many_passes_there_were():
    short, long, trimmed = update_after(100), update_after(1500), update_after(2500)
    assert short.cells == long.cells == trimmed.cells
    assert len(short.messages) == len(long.messages) == len(trimmed.messages)


def test_a_pass_is_one_point_a_curve_and_a_moment_is_one_message_for_all_lines():
    streamed = sorted(count for kind, count in update_after(100).messages if kind == "streamed")
    assert streamed[:2] == [len(_trace.COLUMNS)] * 2
    assert len(streamed) == 3


def test_an_update_without_anything_new_sends_none_of_the_lines_curves_and_tables():
    board = Board()
    told(board, 0)
    page = Page(board)
    page.update()
    sent = Sent(served(page.root))
    page.update()
    assert sum(kind == "streamed" for kind, _ in sent.messages) == 0
