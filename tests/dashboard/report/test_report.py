"""A report is whole, says everything, and needs nothing else."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from akkordeon_dask.dashboard.report import RunFacts
from akkordeon_dask.dashboard.report._report import report
from akkordeon_dask.messages import Confusion, PassReport, WrongPrediction
from akkordeon_dask.telemetry import GateSpec, NetworkTelemetry, TelemetryStore
from tests.support.fake_heartbeats import HOSTILE, beat, gate, link, passed, sentinel
from tests.support.html_page import Page

GATES = (("g0", "tcp://alice", 39_250), (HOSTILE, "tcp://bob", 1_020))
CHARTS = (
    *("Loss", "Scores", "Busy", "Delay of gradients", "Throughput", "In flight"),
    *("Traffic between workers", "Versions held"),
)


def own(epoch, time, **figures):
    """A pass of the client's own."""
    plain = {name: value for name, value in passed(epoch=epoch, **figures).items() if name not in ("network", "event")}
    return PassReport.from_dict({**plain, "ended": time})


def filled():
    store = TelemetryStore()
    plain = [GateSpec(name, address, "Gate(...)", f"optim.SGD({HOSTILE})") for name, address, _ in GATES]
    specs = [asdict(spec) for spec in plain]
    store.event({"network": HOSTILE, "event": "deployed", "gates": specs, "settings": {"seed": 3}}, 0.0)
    for second in range(1, 9):
        at = float(second)
        moved = {"at": at, "network": HOSTILE, "forwards": 100 * second, "delays": ((0, second), (2, second))}
        ones = sentinel(at=at, network=HOSTILE, samples=100 * second)
        front = [gate("g0", 0, busy=0.9 * at, updates=1234, **moved)]
        links = [link("tcp://bob", 5000 * second)]
        alice = beat("alice", at=at, gates=front, sentinels=[ones], links=links)
        store.update([alice, beat("bob", at=at, gates=[gate(HOSTILE, 1, **moved)])], at)
        scores = {HOSTILE: 0.5, "accuracy": 0.25}
        store.event(passed(epoch=second, network=HOSTILE, loss=1 / second, seconds=0.5, scores=scores), at)
    store.event({"network": HOSTILE, "event": HOSTILE, "sentinel": HOSTILE, "text": HOSTILE}, 9.0)
    return store


def known(**more):
    plain = {"network": f"Gate(...)\n| Gate(..., name={HOSTILE!r})", "gates": GATES, "sentinels": {HOSTILE: HOSTILE}}
    return RunFacts(**plain | {"settings": {"seed": 3, HOSTILE: HOSTILE}} | more)


@pytest.fixture
def store():
    return filled()


@pytest.fixture(scope="module")
def text():
    return report(filled().networks[HOSTILE], known(), 10.0)


def test_it_fetches_nothing_and_leads_nowhere(text):
    page = Page(text)
    assert {"html", "title", "script", "style", "table"} <= page.names
    assert page.resources == []
    assert "@import" not in text[: text.index("<script")]


def test_hostile_names_are_text_everywhere(text):
    page = Page(text)
    assert not {"img", "iframe", "object", "embed", "base"} & page.names
    assert HOSTILE not in text
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.text.count(HOSTILE) >= 10
    assert "title" in page.names and f"{HOSTILE}: a report" in page.text


def test_it_has_all_curves_with_their_data(text):
    data = text[text.index('type="application/json"') :]
    for title in CHARTS:
        assert f'"text":"{title}' in data, title
    for column in ("forward1", "busy0", "in_flight0", "link0", "versions1"):
        assert f'"{column}"' in data


def test_it_names_each_gate_with_its_worker_and_numbers(text):
    rows = Page(text).rows
    policy = f"optim.SGD({HOSTILE})"
    assert ["g0", "alice", "tcp://alice", "Gate(...)", "39,250", "1,234", "1.00, largest 2", "0", "0", policy] in rows
    assert [HOSTILE, "bob", "tcp://bob", "Gate(...)", "1,020", "0", "1.00, largest 2", "0", "0", policy] in rows
    assert "40,270 parameters" in Page(text).text


def test_it_lists_each_pass_each_trouble_and_the_settings(text):
    page = Page(text)
    passes = [row for row in page.rows if row[1:3] == ["train0", "train"]]
    assert [row[3] for row in passes if len(row) == 11] == [str(epoch) for epoch in range(8, 0, -1)]
    assert passes[0][4:6] == ["0.125000", f"{HOSTILE} 0.5000, accuracy 0.2500"]
    assert any(row[1:] == [HOSTILE] * 3 for row in page.rows)
    assert ["seed", "3"] in page.rows
    assert f"| Gate(..., name={HOSTILE!r})" in page.text


def test_a_sentinel_of_somebody_else_is_listed_without_what_only_that_one_knows(text):
    assert ["train0", "train", "alice", "attached by another client", "0", "0"] in Page(text).rows
    assert [HOSTILE, "", "", HOSTILE, "", ""] in Page(text).rows


def test_the_clients_own_passes_are_there_even_when_the_scheduler_knows_nothing():
    passes = (own(1, 5.0), own(2, 6.0, loss=math.nan, scores={}))
    page = Page(report(NetworkTelemetry("net"), known(passes=passes, note="without the rest"), 10.0))
    assert [row[1:5] for row in page.rows if len(row) == 11 and row[1] == "train0"] == [
        ["train0", "train", "2", "nan"],
        ["train0", "train", "1", "0.500000"],
    ]
    assert "without the rest" in page.text
    assert "39,250" in page.text


def test_a_pass_that_both_know_is_there_once(store):
    network = store.networks[HOSTILE]
    seen = network.passes[3]
    both = own(seen.epoch, 4.01, seconds=seen.seconds, loss=seen.loss)
    rows = Page(report(network, known(passes=(both, own(9, 9.0))), 10.0)).rows
    assert sorted(int(row[3]) for row in rows if row[1:3] == ["train0", "train"]) == list(range(1, 10))
    assert len(network.passes) == 8


def test_final_figures_of_each_sentinel_come_first(store):
    more = {
        "network": HOSTILE,
        "mode": "validate",
        "loss": 0.75,
        "updates": 80,
        "samples_trained": 5120,
        "elapsed": 75.0,
    }
    store.event(passed("validate0", epoch=4, ended=9.5, **more), 9.5)
    network = store.networks[HOSTILE]
    page = Page(report(network, known(), 10.0))
    assert "Newest figures" in page.texts
    head, train, validate = page.rows[:3]
    assert head[:5] == ["sentinel", "mode", "passes", "loss", "scores"]
    assert train[:5] == ["train0", "train", "8", "0.125000", f"{HOSTILE} 0.5000, accuracy 0.2500"]
    assert validate[2:] == ["4", "0.750000", "accuracy 0.9000", "50", "1 min 15 s", "80", "5,120"]
    store.event({"network": HOSTILE, "event": "closed"}, 11.0)
    assert "Final figures" in Page(report(network, known(), 12.0)).texts


def test_it_shows_the_classes_of_a_pass_that_only_the_client_knows():
    confusion = Confusion.of(1, np.array([[4, 1], [0, 5]]), (WrongPrediction(0, 1, "iVBORw0KGgo="),))
    tested = replace(own(1, 5.0, sentinel="test0", mode="test"), confusion=confusion)
    text = report(NetworkTelemetry("net"), known(passes=(tested,)), 10.0)
    assert "Classes" in Page(text).texts and "test0, pass 1" in text and "data:image/png;base64,iVBORw0KGgo=" in text
    without = report(NetworkTelemetry("net"), known(passes=(own(1, 5.0),)), 10.0)
    assert "Classes" not in Page(without).texts


def test_where_nothing_went_wrong_it_says_so(text):
    page = Page(report(NetworkTelemetry("net"), known(), 10.0))
    assert "nothing went wrong" in page.texts and "nothing went wrong" not in Page(text).texts


def test_before_the_first_pass_it_says_that_there_is_none():
    page = Page(report(NetworkTelemetry("net"), known(sentinels={}), 10.0))
    assert "none is finished" in page.text
    assert "Learning" in page.texts and "Work" not in page.texts
    assert page.resources == []


def test_of_very_many_passes_it_lists_the_newest_and_says_so():
    passes = tuple(own(epoch, float(epoch)) for epoch in range(1, 2302))
    page = Page(report(NetworkTelemetry("net"), known(passes=passes), 10.0))
    rows = [row for row in page.rows if row[1:3] == ["train0", "train"]]
    assert (len(rows), rows[0][3], rows[-1][3]) == (2000, "2301", "302")
    assert "the newest 2,000 of 2,301" in page.text
