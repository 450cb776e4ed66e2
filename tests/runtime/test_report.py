"""The verb `report`: at any time, for both kinds of client, and never half a file."""

import threading

import pytest

from akkordeon_dask import Gate, deploy, nn
from akkordeon_dask.errors import ReportError, SpecError
from akkordeon_dask.telemetry import install, network_telemetry
from tests.support.fake_heartbeats import HOSTILE
from tests.support.html_page import Page
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, rating, train

pytestmark = pytest.mark.slow


def rows(path):
    """The rows of all tables of a report that is whole."""
    text = path.read_text()
    assert text.rstrip().endswith("</html>")
    page = Page(text)
    assert page.resources == [] and "img" not in page.names
    return page.rows


def passes(path):
    """Sentinel and number of each pass, oldest first."""
    return [(row[1], row[3]) for row in reversed(rows(path)) if len(row) == 11 and row[0] != "time"]


def test_it_works_before_the_first_pass_while_it_trains_and_after_the_end(user, tmp_path):
    trained = threading.Event()
    early, busy, late, last = (tmp_path / f"{word}.html" for word in ("early", "busy", "late", "last"))
    with user.deploy(NETWORK) as running:
        running.report(early)
        running.subscribe(lambda _: trained.set())
        attached = running.attach(train(2048, name="tdp"))
        assert trained.wait(PATIENCE)
        running.report(str(busy))
        running.detach(attached)
        running.evaluate(rating(name="exam"))
        running.report(late)
    running.report(last)
    mine = {(one.sentinel, str(one.epoch)) for one in running.history}
    assert passes(early) == []
    assert ("tdp", "1") in passes(busy)
    assert {("tdp", "1"), ("exam", "1")} <= mine
    for path in (late, last):
        assert mine <= set(passes(path)) and len(passes(path)) == len(set(passes(path)))
    written = {row[0]: row[3] for row in rows(late) if len(row) == 6}
    assert written["tdp"] == repr(train(2048, name="tdp")) and written["exam"] == repr(rating(name="exam"))


def test_it_has_gates_settings_and_the_network_as_it_was_written(user, tmp_path):
    path = tmp_path / "run.html"
    with user.deploy(NETWORK, seed=11) as running:
        running.report(path)
        workers = running.placement
    assert ["seed", "11"] in rows(path)
    assert {"akkordeon_dask", "python", "numpy"} <= {row[0] for row in rows(path)}
    assert [row[0:5:4] for row in rows(path) if row[0] in ("g0", "g1")] == [["g0", "35"], ["g1", "18"]]
    assert [row[2] for row in rows(path) if row[0] in ("g0", "g1")] == list(workers.values())
    assert "\n| ".join(map(repr, NETWORK)) in Page(path.read_text()).texts


def test_a_report_without_the_schedulers_part_says_so_and_has_the_passes(user, somebody, tmp_path):
    path = tmp_path / "run.html"

    class Forgetful(dict):
        def __setitem__(self, name, network):
            if name != "forgotten":  # a last heartbeat may still come
                super().__setitem__(name, network)

    def forget(name, dask_scheduler):
        store = install(dask_scheduler).store
        store.networks.pop(name, None)
        store.networks = Forgetful(store.networks)

    with user.deploy(NETWORK, name="forgotten", seed=5) as running:
        running.attach(train(epochs=2))
        running.wait(timeout=PATIENCE)
        running.close()
        somebody.client.run_on_scheduler(forget, "forgotten")
        running.report(path)
    assert passes(path) == [("train0", "1"), ("train0", "2")]
    assert ["seed", "5"] in rows(path)
    assert "without the scheduler's part" in path.read_text().replace("&#x27;", "'")


def test_a_hostile_network_is_only_text(user, tmp_path):
    path = tmp_path / "run.html"
    network = Gate(nn.Linear(6, 3), SGD, name=HOSTILE)
    with user.deploy(network, name=HOSTILE) as running:
        running.attach(train(name=f"{HOSTILE}2", epochs=1))
        running.wait(timeout=PATIENCE)
        running.report(path)
    assert passes(path) == [(f"{HOSTILE}2", "1")]
    assert HOSTILE not in path.read_text()


@pytest.mark.parametrize("place", ["", "file.txt/run.html", "nowhere://run.html", "null\0byte.html"])
def test_where_it_cannot_be_written_it_says_so(user, tmp_path, place):
    (tmp_path / "file.txt").write_text("there")
    target = place if "://" in place else f"{tmp_path}/{place}"
    with user.deploy(NETWORK) as running:
        with pytest.raises(ReportError, match=r"cannot write '.*choose another place"):
            running.report(target)
        with pytest.raises(SpecError, match=r"a path or an fsspec URL, not 3"):
            running.report(3)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_it_replaces_a_file_in_one_step_and_leaves_nothing_beside_it(user, tmp_path, monkeypatch):
    path = tmp_path / "run.html"
    path.write_text("before")
    with user.deploy(NETWORK) as running:
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fails)
            with pytest.raises(ReportError, match="disk is full"):
                running.report(path)
        assert path.read_text() == "before"
        running.report(path)
    rows(path)
    assert list(tmp_path.iterdir()) == [path]


def fails(_):
    raise OSError("the disk is full")


def test_without_its_client_it_has_what_the_client_knew(tmp_path):
    with deploy(NETWORK) as running:
        running.attach(train(epochs=1))
        running.wait(timeout=PATIENCE)
    running.report(tmp_path / "run.html")
    assert passes(tmp_path / "run.html") == [("train0", "1")]


def test_a_scheduler_in_this_process_gives_a_copy_of_its_record(cluster, somebody):
    with somebody.deploy(NETWORK, name="copied"):
        mine, again = (somebody.client.run_on_scheduler(network_telemetry, "copied") for _ in range(2))
        assert mine.name == again.name == "copied"
        theirs = install(cluster.scheduler).store.networks["copied"]
        assert len({id(mine), id(again), id(theirs)}) == 3
