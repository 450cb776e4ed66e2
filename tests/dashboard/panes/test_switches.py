"""The switches in a browser: on the page, and in a report that has no server."""

import csv
import threading

import pytest

from akkordeon_dask.dashboard.report import RunFacts
from akkordeon_dask.dashboard.report._report import report
from akkordeon_dask.messages import PassProgress
from akkordeon_dask.telemetry import TelemetryStore
from tests.support.browser import need_browser, running_browser, tab
from tests.support.fake_heartbeats import HOSTILE, beat, gate, link, passed, sentinel
from tests.support.served_page import served_page

SENTINELS = [("train", f"train{number}") for number in range(7)] + [("train", HOSTILE), ("validate", "validate0")]
PASSES = 9
SHOWN = "asked.figure('Loss').renderers.filter((one) => one.tags.length > 1 && one.visible).length / 3"
LOW, HIGH = "asked.figure('Loss').y_range.start", "asked.figure('Loss').y_range.end"


def figures(number, place):
    """Loss of a pass: the first is that of a network that is not trained."""
    loss = 1e4 if number == 0 else (1 + place) / number
    return {"loss": loss, "updates": 10 * number, "elapsed": float(number), "ended": 1e9}


def finish_pass(store, number):
    """A second of a network whose sentinels all finish a pass."""
    at = float(number)
    half = PassProgress(number + 1, 42, 100, 0.5, {"accuracy": 0.5}, 1.0)
    ones = [sentinel(name, at, mode=mode, progress=half) for mode, name in SENTINELS]
    gates = [gate(f"g{place}", place, at, busy=0.1 * at, forwards=100 * number) for place in range(2)]
    links = [link("tcp://bob", 100 * number)]
    store.update(
        [beat("alice", at=at, gates=gates[:1], sentinels=ones, links=links), beat("bob", at=at, gates=gates[1:])], at
    )
    for place, (mode, name) in enumerate(SENTINELS):
        store.event(passed(name, number + 1, mode=mode, samples_trained=640 * number, **figures(number, place)), at)


@pytest.fixture(scope="module")
def browser():
    need_browser()
    with running_browser() as chromium:
        yield chromium


def filled():
    store = TelemetryStore()
    for number in range(PASSES):
        finish_pass(store, number)
    return store


@pytest.fixture(scope="module", params=["page", "report"])
def shared(request, browser, tmp_path_factory):
    """The page, and the file of a report, which is opened without a network."""
    if request.param == "page":
        with served_page(filled(), threading.Lock()) as url, tab(browser, url, (1024, 768)) as page:
            yield page
        return
    file = tmp_path_factory.mktemp("report") / "run.html"
    file.write_text(report(filled().newest(), RunFacts("Gate(...)", ()), 99.0), encoding="utf-8")
    with tab(browser, f"file://{file}", (1024, 768)) as page:
        yield page


@pytest.fixture
def opened(shared):
    """Tests leave it as they found it, but for the mouse."""
    shared.page.mouse.move(0, 0)
    return shared


def press(page, name):
    page.page.get_by_role("button", name=name, exact=True).click()


def test_each_switch_does_what_it_says_and_undoes_it(opened):
    opened.until(f"{SHOWN} === 6 && {HIGH} < 20")
    press(opened, "all curves")
    opened.until(f"{SHOWN} === 9 && asked.figure('Loss').title.text === 'Loss'")
    press(opened, "all curves")
    opened.until(f"{SHOWN} === 6 && asked.figure('Loss').title.text === 'Loss (6 of 9 curves)'")
    press(opened, "first passes")
    opened.until(f"{HIGH} >= 1e4")
    press(opened, "first passes")
    opened.until(f"{HIGH} < 20")
    press(opened, "log scale of loss")
    opened.until(f"asked.figure('Loss').y_scale.type === 'LogScale' && {HIGH} >= 1e4 && {LOW} > 0.05")
    assert opened.ask("asked.figure('Scores').y_scale.type") == "LinearScale"
    press(opened, "log scale of loss")
    opened.until(f"asked.figure('Loss').y_scale.type === 'LinearScale' && {HIGH} < 20")
    press(opened, "smooth")
    opened.until("asked.figure('Loss').renderers.some((one) => one.glyph.line_alpha?.value === 0.3)")
    press(opened, "smooth")
    opened.until("!asked.figure('Loss').renderers.some((one) => one.glyph.line_alpha?.value === 0.3)")


@pytest.mark.parametrize(
    ("name", "end"), [("time", PASSES - 1), ("updates", 10 * (PASSES - 1)), ("samples", 640 * (PASSES - 1))]
)
def test_the_axis_of_both_plots_is_what_was_chosen_and_fits(opened, name, end):
    press(opened, name)
    for title in ("Loss", "Scores"):
        opened.until(f"asked.figure('{title}').below[0].axis_label.startsWith('{name}')")
        opened.until(
            f"asked.figure('{title}').x_range.end >= {end} && asked.figure('{title}').x_range.end < {1.2 * end}"
        )
    press(opened, "passes")
    opened.until(
        f"asked.figure('Loss').below[0].axis_label === 'pass' && asked.figure('Loss').x_range.end < {PASSES + 2}"
    )


def test_a_plot_that_was_zoomed_goes_back_by_reset(opened):
    opened.until(f"{SHOWN} === 6 && {HIGH} < 20")
    opened.ask("Bokeh.index.find_one(asked.figure('Loss')).el.scrollIntoView()")
    end = opened.ask("asked.figure('Loss').x_range.end")
    begin, stop = opened.ask("asked.place('Loss', 4, 4)"), opened.ask("asked.place('Loss', 6, 1)")
    opened.page.mouse.move(*begin)
    opened.page.mouse.down()
    opened.page.mouse.move(*stop, steps=4)
    opened.page.mouse.up()
    opened.until("asked.figure('Loss').x_range.end < 7")
    opened.ask("void asked.figure('Loss').reset.emit()")
    opened.until(f"asked.figure('Loss').x_range.end === {end}")


def test_where_curves_meet_one_tooltip_is_shown(opened):
    opened.until(f"{SHOWN} === 6 && {HIGH} < 20")
    opened.ask("Bokeh.index.find_one(asked.figure('Scores')).el.scrollIntoView()")
    opened.page.mouse.move(*opened.ask("asked.place('Scores', 5, 0.9)"))
    opened.until("asked.tooltips().length > 0")
    assert len(opened.ask("asked.tooltips()")) == 1


def test_the_download_has_all_passes_of_all_curves(opened, tmp_path):
    with opened.page.expect_download() as download:
        press(opened, "CSV")
    download.value.save_as(tmp_path / "passes.csv")
    rows = list(csv.DictReader((tmp_path / "passes.csv").read_text(encoding="utf-8").splitlines()))
    losses = [row for row in rows if row["figure"] == "mean loss of a sample"]
    assert len(rows) == 2 * len(losses) == 2 * PASSES * len(SENTINELS)
    for place, (mode, name) in enumerate(SENTINELS):
        own = [row for row in losses if (row["mode"], row["sentinel"]) == (mode, name)]
        assert [float(row["value"]) for row in own] == [figures(number, place)["loss"] for number in range(PASSES)]
        assert [int(row["samples_trained"]) for row in own] == [640 * number for number in range(PASSES)]
    assert opened.ask("asked.pictures()") == 0


@pytest.fixture
def store():
    return filled()


@pytest.fixture
def lock():
    return threading.Lock()


@pytest.fixture
def page(store, lock, browser):
    with served_page(store, lock) as url, tab(browser, url, (1024, 768)) as page:
        yield page


def test_the_table_of_passes_shows_the_newest_however_many_there_were(page, store, lock):
    for last in (PASSES + 20, PASSES + 30):
        with lock:
            for number in range(last - 10, last):
                finish_pass(store, number)
        page.page.locator(".slick-row").first.get_by_text(str(last), exact=True).wait_for()


def test_no_plot_is_hidden_by_another_and_no_button_is_cut(page):
    boxes = page.ask(
        "[...asked.models('Figure'), ...asked.models('RadioButtonGroup'), ...asked.models('CheckboxButtonGroup')]"
        ".map((model) => Bokeh.index.find_one(model).el.getBoundingClientRect())"
        ".filter(({width}) => width > 0)"  # the network has no classes: those two are not shown
        ".map(({left, top, right, bottom}) => [left, top, right, bottom])"
    )
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= 1024 and top < bottom
        for other in boxes[:place]:
            assert right <= other[0] + 1 or other[2] <= left + 1 or bottom <= other[1] + 1 or other[3] <= top + 1
