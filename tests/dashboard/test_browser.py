"""The page in a browser, while networks train on all of MNIST and come and go."""

import os
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
from tests.support.browser import need_browser, running_browser, tab
from tests.support.dashboard_clusters import PRELOAD, started_cluster, started_scheduler
from tests.support.leftovers import wait_until

MNIST = Path(os.environ.get("AKKORDEON_DATA", "nowhere")) / "mnist"
pytestmark = pytest.mark.skipif(not MNIST.is_dir(), reason="needs all of MNIST: `make data`, and AKKORDEON_DATA")

GATE, TRAIN, NETWORK, WORKER, BROKEN = (f"<img src=x onerror=alert({number})>" for number in range(5))
SECONDS = 15


def three_gates(front, back):
    """784-50-20-10; the middle one has a name that a page must not take for HTML."""
    sgd = optim.SGD(0.02)
    return (
        Gate(nn.Scale(mean=33.3, std=78.6) >> nn.Linear(784, 50) >> nn.ReLU(), sgd, workers=front)
        | Gate(nn.Linear(50, 20) >> nn.ReLU(), sgd, name=GATE, workers=back)
        | Gate(nn.Linear(20, 10), sgd, workers=back)
    )


def failing():
    """A sentinel whose second batch has labels that the network has no output for."""
    x = np.zeros((8, 784), np.uint8)
    return Sentinel.train([(x, np.zeros(8, int)), (x, np.full(8, 99))], batch_size=8, name=BROKEN)


class Training:
    """A network that trains, and what its sentinels have reported."""

    def __init__(self, running):
        self.running = running
        self.reports = defaultdict(list)
        running.subscribe(lambda report: self.reports[report.sentinel].append((time.time(), report)))
        running.attach(Sentinel.train(data.mnist("train"), batch_size=1024, concurrency=5, name=TRAIN))
        running.attach(Sentinel.train(data.mnist("train", take=20_000), batch_size=512, concurrency=2))
        running.attach(Sentinel.validate(data.mnist("test"), batch_size=1024, every="2s"))
        running.attach(failing())

    def passes(self, sentinel, end):
        """The passes that ended before `end`, each with its end."""
        return [(at, report) for at, report in list(self.reports[sentinel]) if at <= end]

    def reported(self, sentinel, end):
        """From the first pass to the last one before `end`: when they ended, and samples/s in between."""
        passes = self.passes(sentinel, end)
        seconds = sum(report.seconds for _, report in passes[1:])
        return passes[0][0], passes[-1][0], sum(report.samples for _, report in passes[1:]) / seconds


@pytest.fixture(scope="module")
def browser():
    need_browser()
    with running_browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def cluster():
    """A scheduler that has the page from the start, and two workers."""
    need_browser()
    with started_cluster(*PRELOAD, workers=("alice", WORKER)) as both:
        yield both


@pytest.fixture(scope="module")
def training(cluster):
    _, client = cluster
    with deploy(three_gates("alice", WORKER), client, name=NETWORK) as running:
        yield Training(running)


@pytest.fixture(scope="module")
def open_page(cluster, browser, training):
    """The page, on the network that trains, once it has some seconds to show."""
    with tab(browser, cluster[0].url(f"akkordeon?network={NETWORK}")) as opened:
        opened.until("asked.figure('Throughput')?.renderers.length >= 9")
        opened.until("Object.values(asked.values()).every((count) => count > 0)")
        yield opened


@pytest.fixture
def page(open_page):
    """The page; a test fails when something goes wrong in it, even if it looks right."""
    yield open_page
    wrong, open_page.wrong = open_page.wrong, []
    assert wrong == []


def newest(page):
    """The end of the history, in seconds since 1970."""
    return page.ask("asked.curves('Throughput')[0].columns.time.at(-1)") / 1000 - time.localtime().tm_gmtoff


def throughput(page, column, begin, end):
    """The mean of a column between two moments, each row counted as long as it was the newest."""
    columns = page.ask("asked.curves('Throughput')[0].columns")
    times = np.array(columns["time"]) / 1000 - time.localtime().tm_gmtoff
    values = np.array(columns[column], float)[1:]
    inside = (times[1:] > begin) & (times[1:] <= end) & np.isfinite(values)
    return np.average(values[inside], weights=np.diff(times)[inside])


def column_of(page, sentinel):
    """The column of a sentinel's curve of throughput."""
    curves = page.ask("asked.curves('Throughput').map(({name, field}) => [name, field])")
    return dict(curves)[sentinel]


def hovered(page, title, x, y):
    """Put the pointer on a point of a figure, and give the texts that it shows."""
    page.page.mouse.move(*page.ask("asked.place(...args)", title, x, y))
    return page.ask("asked.tooltips()")


def test_the_page_is_empty_and_friendly_where_no_network_runs(browser):
    with started_scheduler(*PRELOAD) as scheduler, tab(browser, scheduler.url()) as opened:
        opened.page.get_by_text("No network runs on this cluster.").wait_for()
        assert opened.page.locator("option").all_inner_texts() == ["the newest network"]
        assert opened.page.locator("canvas:visible").count() == 0


def test_the_page_survives_a_network_that_stops_and_another_that_starts(cluster, browser):
    scheduler, client = cluster
    sentinel = Sentinel.train(data.mnist("train"), batch_size=256, epochs=3)
    with tab(browser, scheduler.url()) as opened:
        headline = opened.page.locator("b", has_text="first").first
        with deploy(three_gates("alice", WORKER), client, name="first") as running:
            running.attach(sentinel)
            headline.wait_for()
            opened.page.locator("select").select_option(label="first")
            opened.until("asked.table('loss').epoch.length > 0 && asked.values().Loss > 0")
        opened.page.get_by_text("first (ended)").wait_for(state="attached")
        opened.page.locator("b", has_text="ended").wait_for()
        passes = opened.ask("asked.values().Loss")
        assert passes > 0
        with deploy(three_gates("alice", WORKER), client, name="second") as running:
            running.attach(sentinel)
            opened.page.locator("option", has_text="second").wait_for(state="attached")
            assert headline.is_visible()
            opened.page.locator("select").select_option(label="the newest network")
            opened.page.locator("b", has_text="second").first.wait_for()
            opened.until("asked.values().Loss > 0 && asked.curves('Throughput')[0]?.columns.time.length > 2")
            opened.page.locator("select").select_option(label="first (ended)")
            opened.until("asked.values().Loss >= args[0]", passes)
            assert opened.page.locator("option").all_inner_texts()[1:] == ["first (ended)", "second"]


def test_every_pane_has_data_while_a_network_trains(page):
    counts = page.ask("asked.values()")
    assert len(counts) == 14
    assert all(counts.values()), counts
    assert page.page.title() == "Dask: Akkordeon"
    assert page.page.locator("body").get_by_text("No network runs").is_visible() is False


def test_the_numbers_move(page):
    moving = (
        "asked.curves('Throughput')[0].columns.time.at(-1)",
        "asked.curves('Busy')[0].columns.busy0.at(-1)",
        "asked.curves('Network')[2].columns.facts.join()",
        "asked.curves('Delay')[0].columns.count.join()",
        "asked.curves('Loss').map(({columns}) => columns.epoch?.at(-1)).join()",
        "asked.table('loss').epoch.join()",
    )
    before = [page.ask(script) for script in moving]
    for script, old in zip(moving, before, strict=True):
        page.until(f"{script} !== args[0]", old)


def test_hostile_names_are_shown_as_text(page):
    assert NETWORK in page.text("select")
    page.page.get_by_text(f"{NETWORK} · 3 gates").wait_for()
    assert set(page.ask("asked.table('loss').sentinel")) >= {TRAIN, "train0", "validate0"}
    page.page.locator(".slick-cell").get_by_text(TRAIN, exact=True).first.wait_for()
    page.page.locator(".slick-cell").get_by_text(BROKEN, exact=True).first.wait_for()
    assert page.ask("asked.pictures()") == 0


def test_the_tables_end_with_a_whole_row(page):
    rows = "asked.elements().filter((element) => element.matches('.slick-row')).map((row) => row.offsetHeight)"
    (height,) = set(page.ask(rows))
    tables = "asked.elements().filter((element) => element.matches('.slick-viewport-top.slick-viewport-left'))"
    heights = page.ask(f"{tables}.map((table) => table.clientHeight)")
    assert len(heights) == 2
    assert all(one > 0 and one % height == 0 for one in heights), (heights, height)


def test_hostile_names_under_the_pointer_are_text(page):
    def on_box(name):
        boxes = page.ask("asked.curves('Network')[2].columns")
        place = boxes["name"].index(name)
        return any(name in tip for tip in hovered(page, "Network", boxes["x"][place], boxes["y"][place]))

    def on_line(name, title):
        shown = [one for one in page.ask("asked.curves(args[0])", title) if "time" in one["columns"]]
        curve = next(one for one in shown if one["name"] == name)
        mine, *others = (
            np.array(one["columns"][one["field"]], float) for one in sorted(shown, key=lambda one: one is not curve)
        )
        apart = np.min([np.abs(mine - other) for other in others], axis=0, initial=np.inf)
        # Where curves meet, the pointer is told of one of them.
        place = int(np.nanargmax(apart[:-1]))
        return any(name in tip for tip in hovered(page, title, curve["columns"]["time"][place], mine[place]))

    for name in (GATE, TRAIN):
        wait_until(lambda name=name: on_box(name))
    wait_until(lambda: on_line(f"alice → {WORKER}", "Traffic"))
    wait_until(lambda: on_line(GATE, "Busy"))
    assert page.ask("asked.pictures()") == 0


def test_throughput_is_what_the_sentinels_report(page, training):
    names = (TRAIN, "train0")
    wait_until(lambda: all(training.passes(name, newest(page)) for name in names))
    begin = {name: training.reports[name][0][0] for name in names}

    def measured():
        end = newest(page)
        return end > max(begin.values()) + SECONDS and all(len(training.passes(name, end)) > 2 for name in names)

    wait_until(measured)
    end, total = newest(page), 0.0
    for name in begin:
        first, last, reported = training.reported(name, end)
        assert throughput(page, column_of(page, name), first, last) == pytest.approx(reported, rel=0.15)
        total += reported
    for gate in range(3):
        assert throughput(page, f"backward{gate}", max(begin.values()), end) == pytest.approx(total, rel=0.15)


def test_a_second_browser_sees_the_same_and_the_first_stays_when_it_is_gone(page, cluster, browser):
    names = "asked.curves('Network')[2].columns.name.join()"
    with tab(browser, cluster[0].url(f"akkordeon?network={NETWORK}")) as second:
        second.until("Object.values(asked.values()).every((count) => count > 0)")
        assert second.ask(names) == page.ask(names)
    gone = newest(page)
    wait_until(lambda: newest(page) > gone)
