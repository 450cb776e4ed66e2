"""Every pane shows what is known, and nothing where nothing is."""

import weakref

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.models import ColumnDataSource

from akkordeon_dask.dashboard._page import PANES, Page, SinglePane
from akkordeon_dask.dashboard.panes._view import AXES, View
from akkordeon_dask.messages import Confusion, PassProgress, WrongPrediction
from akkordeon_dask.telemetry import TelemetryStore
from tests.support.fake_heartbeats import HOSTILE, beat, gate, link, passed, sentinel


def confusion(epoch):
    """Of three classes, with one wrong prediction."""
    return Confusion.of(epoch, np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]), (WrongPrediction(0, 1, "iVBORw0KGgo="),))


def rounds(store, begin, end):
    """Seconds of a network at work: three gates on two workers, three sentinels."""
    for second in range(begin, end):
        at = float(second)
        moved = {"at": at, "forwards": 100 * second, "backwards": 90 * second, "delays": ((0, second), (1, 2 * second))}
        alice = [gate("g0", 0, busy=0.9 * at, mailbox=2, versions=3, **moved)]
        bob = [gate(HOSTILE, 1, busy=0.2 * at, **moved), gate("g2", 2, busy=0.1 * at, **moved)]
        sentinels = [sentinel(at=at, samples=60 * second, in_flight=4), sentinel("train1", at=at, samples=30 * second)]
        rated = {"samples": 10 * second, "mode": "validate", "confusion": confusion(second + 1)}
        sentinels.append(sentinel("validate0", at=at, **rated))
        links = [link("tcp://bob", 5000 * second)]
        beats = beat("alice", at=at, gates=alice, sentinels=sentinels, links=links), beat("bob", at=at, gates=bob)
        store.update(beats, at)
        trained = {"updates": 10 * second, "samples_trained": 640 * second}
        store.event(passed(epoch=second + 1, **trained), at)
        store.event(passed("validate0", epoch=second + 1, mode="validate", **trained), at)


@pytest.fixture
def store():
    store = TelemetryStore()
    rounds(store, 0, 20)
    store.event({"network": "net", "event": "lost", "sentinel": "train1", "text": "batch 7"}, 20.0)
    return store


def filled(root):
    """How many numbers and words a pane's sources have."""
    found = root.select({"type": ColumnDataSource})
    return [len(column) for source in found for column in source.data.values() if len(column)]


@pytest.mark.parametrize("word", PANES)
def test_a_pane_is_empty_without_a_network_and_full_with_one(word, store):
    pane = PANES[word]()
    document = Document()
    document.add_root(pane.root)
    pane.show(None)
    assert not filled(pane.root)
    pane.show(store.newest())
    assert filled(pane.root)
    pane.show(None)
    assert not filled(pane.root)


@pytest.mark.parametrize("word", PANES)
def test_every_axis_has_a_unit_and_everything_a_hover(word):
    root = PANES[word]().root
    if word in ("graph", "progress", "passes", "troubles", "mistakes"):
        return
    assert all(axis.axis_label for axis in root.axis)
    assert [tool for tool in root.tools if type(tool).__name__ == "HoverTool"]


@pytest.mark.parametrize("word", ["throughput", "busy", "traffic", "in-flight", "versions"])
def test_lines_that_grow_hold_what_lines_drawn_at_once_hold(word, store):
    grown, fresh = PANES[word](), PANES[word]()
    for second in range(20, 340):
        rounds(store, second, second + 1)
        grown.show(store.newest())
    fresh.show(store.newest())
    assert grown.streamer.source.data.keys() == fresh.streamer.source.data.keys()
    for name, column in fresh.streamer.source.data.items():
        np.testing.assert_array_equal(grown.streamer.source.data[name], column)
        assert len(column) == 300


def test_the_lines_of_a_page_show_what_each_pane_shows_alone(store):
    page = Page(store)
    for second in range(20, 40):
        page.update()
        page.span.active = second % 3
        more = [sentinel("late", at=float(second))] if second > 30 else []
        store.update([beat(at=float(second), gates=[gate(at=float(second))], sentinels=more)], float(second))
    page.span.active = 1
    page.update()
    for word in ("throughput", "busy", "traffic", "in-flight", "versions"):
        shared, alone = page.panes[word], PANES[word]()
        alone.show(store.newest())
        assert shared.streamer is page.panes["busy"].streamer
        assert [one.name for one in shared.root.renderers] == [one.name for one in alone.root.renderers]
        for one, other in zip(shared.root.renderers, alone.root.renderers, strict=True):
            for field in ("x", "y"):
                columns = [curve.data_source.data[getattr(curve.glyph, field)] for curve in (one, other)]
                np.testing.assert_array_equal(*columns)


def test_a_sentinel_that_joins_gets_its_line(store):
    pane = PANES["throughput"]()
    pane.show(store.newest())
    lines = len(pane.root.renderers)
    store.update([beat(gates=[gate(at=20.0)], sentinels=[sentinel("late", at=20.0)])], 20.0)
    pane.show(store.newest())
    assert len(pane.root.renderers) == lines + 1


def test_the_busiest_gate_stands_out(store):
    pane = PANES["graph"]()
    pane.show(store.newest())
    data = pane.boxes.data
    widths = dict(zip(data["name"], data["edge_width"], strict=True))
    assert widths["g0"] > widths[HOSTILE] == widths["g2"]


def test_a_gate_whose_worker_is_gone_is_shown_as_lost(store):
    at = 20.0
    store.update([beat("alice", at=at, gates=[gate("g0", 0, at=at)])], at)
    pane = PANES["graph"]()
    pane.show(store.newest())
    third = dict(zip(pane.boxes.data["name"], pane.boxes.data["third"], strict=True))
    assert third["g2"] == "lost with its worker" and "busy" in third["g0"]


def test_a_share_of_delays_is_of_all_gradients_of_the_gate(store):
    pane = PANES["delays"]()
    pane.show(store.newest())
    data = pane.source.data
    for name in ("g0", HOSTILE, "g2"):
        tops = [top for top, gate in zip(data["top"], data["name"], strict=True) if gate == name]
        assert sum(tops) == pytest.approx(1.0)
        assert tops[1] == pytest.approx(2 / 3)


def test_graph_and_delays_name_the_policy_of_each_gate(store):
    spec = {"name": "g0", "worker": "tcp://alice", "text": "Gate(...)", "policy": "optim.GapAware(optim.SGD(0.1))"}
    store.event({"network": "net", "event": "deployed", "gates": [spec]}, 20.0)
    rounds(store, 21, 24)
    graph, delays = PANES["graph"](), PANES["delays"]()
    for pane in (graph, delays):
        pane.show(store.newest())
    facts = dict(zip(graph.boxes.data["name"], graph.boxes.data["facts"], strict=True))
    assert "delay 0.67 (at most 1) updates by optim.GapAware(optim.SGD(0.1)), " in facts["g0"]
    assert "delay 0.67 (at most 1) updates, " in facts["g2"]
    policies = set(zip(delays.source.data["name"], delays.source.data["policy"], strict=True))
    assert policies == {("g0", spec["policy"]), (HOSTILE, ""), ("g2", "")}


def test_training_and_validation_have_colours_of_their_own(store):
    pane = PANES["loss"]()
    pane.show(store.newest())
    colors = {renderer.name: renderer.glyph.line_color for renderer in pane.root.renderers if renderer.name}
    assert colors.keys() == {"train0", "validate0"} and len(set(colors.values())) == 2


@pytest.mark.parametrize("x", AXES)
def test_curves_go_over_passes_time_updates_or_samples_trained(store, x):
    pane = PANES["scores"]()
    pane.view = View(x)
    pane.show(store.newest())
    for one in store.newest().passes:
        data = next(curve.data_source.data for curve in pane.root.renderers if curve.name == one.sentinel)
        assert getattr(one, x) in data["x"]
        assert data["x"] == data[x]
    assert pane.root.xaxis[0].axis_label == AXES[x].title


def test_the_confusion_is_of_the_last_pass_as_shares_of_each_label(store):
    pane, images = PANES["confusion"](), PANES["mistakes"]()
    for one in (pane, images):
        one.show(store.newest())
        assert one.root.title.text.endswith("validate0, pass 20") and not one.note.text
    data = pane.source.data
    rows = zip(*(data[name] for name in ("label", "predicted", "count", "share")), strict=True)
    cells = {row[:2]: row[2:] for row in rows}
    assert cells[0, 1] == (2, 0.2) and cells[1, 1] == (5, 1.0) and cells[2, 2] == (0, 0.0) and len(cells) == 9
    assert images.source.data["text"] == ["0 → 1"]
    rounds(store, 20, 21)
    pane.show(store.newest())
    assert pane.root.title.text.endswith("pass 21")


def test_without_classes_the_page_has_no_row_for_them_and_a_pane_says_why(store):
    store.newest().confusions.clear()
    page, pane = Page(store), PANES["confusion"]()
    page.update()
    pane.show(store.newest())
    assert not page.classes.visible and "no validation or test of 2 to 64 classes" in pane.note.text
    rounds(store, 20, 21)
    page.update()
    assert page.classes.visible


def test_tables_have_the_newest_on_top(store):
    pane = PANES["passes"]()
    pane.show(store.newest())
    epochs = pane.source.data["epoch"]
    assert epochs[0] == 20 and epochs == sorted(epochs, reverse=True)


def test_the_page_is_friendly_without_a_network_and_shows_the_next_one(store):
    empty = TelemetryStore()
    page = Page(empty)
    page.update()
    assert page.welcome.visible and not page.body.visible
    rounds(empty, 0, 3)
    page.update()
    assert not page.welcome.visible and page.body.visible


def test_one_may_choose_a_network_that_has_ended(store):
    store.event({"network": "net", "event": "closed"}, 21.0)
    store.update([beat(gates=[gate(network="next", at=22.0)])], 22.0)
    page = Page(store)
    page.update()
    assert "next" in page.head.text
    assert ("net", "net (ended)") in page.select.options
    page.select.value = "net"
    assert "<b>net</b>" in page.head.text and "ended" in page.head.text


def test_names_in_the_headline_are_escaped():
    store = TelemetryStore()
    store.update([beat(gates=[gate(network=HOSTILE)])], 0.0)
    page = Page(store)
    page.update()
    assert "<img" not in page.head.text and "&lt;img" in page.head.text


def test_pages_of_two_browsers_share_nothing(store):
    documents = []
    for _ in range(2):
        page = Page(store)
        page.update()
        document = Document()
        document.add_root(page.root)
        documents.append(document)
    assert documents[0].roots != documents[1].roots


@pytest.mark.parametrize("word", ["loss", "passes", "throughput"])
def test_no_other_record_can_have_the_place_of_the_one_that_is_shown(word):
    store, pane = TelemetryStore(), PANES[word]()
    rounds(store, 0, 3)
    pane.show(store.newest())
    shown = weakref.ref(store.newest())
    del store
    assert shown() is not None, "the next one at this place in memory would be taken for it"


def at_work(count=1, **figures):
    """A store with a network of some sentinels."""
    store = TelemetryStore()
    ones = [sentinel(f"train{number}", epochs=10, **figures) for number in range(count)]
    store.update([beat(gates=[gate()], sentinels=ones)], 0.0)
    return store


def test_inside_a_pass_the_page_says_how_far_it_is():
    half = PassProgress(3, 420, 1000, 0.31, {"accuracy": 0.91, HOSTILE: 0.5}, 8.7)
    page = Page(at_work(progress=half))
    page.update()
    data = page.panes["progress"].source.data
    text = "train0 · pass 3 of 10 · 42 % · loss 0.3100 · accuracy 0.9100"
    assert data["text"] == [f"{text} · {HOSTILE} 0.5000 · 13 s left"]
    assert (data["end"][0] - data["left"][0]) / (data["right"][0] - data["left"][0]) == pytest.approx(0.42)
    boxes = page.panes["graph"].boxes.data
    assert "pass 3/10 · 42 % · 13 s left" in boxes["third"]


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"epoch": 2}, "train0 · pass 2 of 10 · running"),
        ({"progress": PassProgress(1, 0, 90, float("nan"), {}, 0.0)}, "train0 · pass 1 of 10 · 0 %"),
        ({"progress": PassProgress(1, 5, None, 0.5, {}, 1.0)}, "train0 · pass 1 of 10 · loss 0.5000"),
        ({"progress": PassProgress(1, 1, 2, 0.5, {}, 1.0), "state": "paused"}, "train0 · pass 1 of 10 · paused"),
    ],
)
def test_of_a_pass_it_says_what_is_known(figures, text):
    pane = PANES["progress"]()
    pane.show(at_work(**figures).newest())
    assert pane.source.data["text"][0].startswith(text)


def test_of_many_sentinels_six_are_followed_at_a_glance_and_all_by_a_click():
    page = Page(at_work(20))
    page.update()
    progress = page.panes["progress"]
    assert len(progress.source.data["text"]) == 6
    page.switches.ways.active = [3]
    assert len(progress.source.data["text"]) == 20
    assert progress.root.height == 10 * 18


def test_of_many_gates_the_busiest_are_seen_at_a_glance_and_all_by_a_click():
    store = TelemetryStore()
    for second in range(3):
        at = float(second)
        gates = [gate(f"g{place}", place, at, busy=at * place, delays=((0, 1),)) for place in range(9)]
        store.update([beat(at=at, gates=gates, sentinels=[sentinel(at=at)])], at)
    page = Page(store)
    page.update()
    busy, delays, throughput = page.panes["busy"], page.panes["delays"], page.panes["throughput"]

    def visible(pane):
        return {one.name for one in pane.root.renderers if one.visible}

    busiest = {f"g{place}" for place in range(3, 9)}
    assert visible(busy) == set(delays.source.data["name"]) == busiest
    assert visible(throughput) == {"g8", "g7", "g6", "g5", "g4", "train0"}
    assert (
        busy.root.title.text == "Busy (6 of 9 curves)" and throughput.root.title.text == "Throughput (6 of 19 curves)"
    )
    page.switches.ways.active = [3]
    assert len(visible(busy)) == len(set(delays.source.data["name"])) == 9 and len(visible(throughput)) == 19
    assert busy.root.title.text == "Busy"


def test_names_in_a_legend_are_whole_and_what_has_no_room_is_counted(store):
    links = {(f"worker-{number}", "another-worker"): number for number in range(6)}
    store.newest().links = links
    pane = PANES["traffic"]()
    pane.show(store.newest())
    (legend,) = pane.root.legend
    labels = [item.label.value for item in legend.items]
    assert labels == ["worker-0 → another-worker", "worker-1 → another-worker", "and 4 more"]
    assert legend.ncols == 1


def test_where_nothing_went_wrong_the_page_says_so(store):
    pane = PANES["troubles"]()
    pane.show(TelemetryStore().newest())
    assert (pane.table.visible, pane.none.visible, pane.none.text) == (False, True, "nothing went wrong")
    pane.show(store.newest())
    assert (pane.table.visible, pane.none.visible) == (True, False)


@pytest.mark.parametrize("word", ["delays", "in-flight", "versions", "busy", "throughput", "traffic"])
def test_a_line_explains_what_is_shown(word):
    root = PANES[word]().root
    assert [one.text for one in root.above if type(one).__name__ == "Title" and len(one.text) > 20]


@pytest.mark.parametrize("word", ["loss", "scores"])
def test_a_pane_of_its_own_has_the_switches(word, store):
    single = SinglePane(store, PANES[word]())
    single.update()
    assert single.switches.root in single.root.children
    single.switches.axis.active = 2
    assert single.pane.root.xaxis[0].axis_label == AXES["updates"].title
