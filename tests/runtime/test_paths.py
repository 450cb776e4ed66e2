"""Paths and URLs as users write them mean the same at every door."""

from pathlib import Path

import pytest

from akkordeon_dask import data, deploy
from akkordeon_dask._files import absolute
from akkordeon_dask.errors import CheckpointError, DataError, SpecError
from akkordeon_dask.snapshots import Store
from tests.support.patience import PATIENCE
from tests.support.restarting_workers import run_store
from tests.support.small_networks import NETWORK, equal, train

HOME = ["~/{}", "{home}/{}", "file://{home}/{}", "file://~/{}"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home folder, and another one in which the process works: it has to stay empty."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    yield tmp_path / "home"
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("form", [*HOME, Path("~/{}")], ids=[*HOME, "a Path"])
def test_every_door_takes_the_home_folder_in_every_form(user, home, form):
    def place(name):
        text = str(form).replace("{home}", str(home)).format(name)
        return Path(text) if isinstance(form, Path) else text

    with user.deploy(NETWORK, seed=1, snapshots=place("snaps"), snapshot_every=1) as running:
        running.attach(train(epochs=1))
        running.wait(timeout=PATIENCE)
        running.snapshot()
        running.save(place("deep/saved"))
        running.report(place("report.html"))
        saved = running.parameters()
    assert {path.name for path in home.iterdir()} == {"snaps", "deep", "report.html"}
    assert run_store(place("snaps")).series()[:2] == ["g0", "g1"]
    with user.deploy(NETWORK, resume=place("snaps")) as running:
        assert equal(running.parameters(), saved)
    with user.deploy(NETWORK, seed=2) as running:
        running.load(place("deep/saved"))
        assert equal(running.parameters(), saved)


def test_a_relative_folder_of_snapshots_is_the_caller_s_on_workers_that_work_elsewhere(
    processes, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for place in ("snaps", "file://snaps"):
        with deploy(NETWORK, processes.client, **{"snapshots" if place == "snaps" else "resume": place}) as running:
            running.snapshot()
        assert run_store(tmp_path / "snaps").series() == ["g0", "g1"]


def test_one_place_written_in_two_ways_is_one_place(user, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with user.deploy(NETWORK, seed=3, snapshots="snaps") as running:
        running.snapshot()
        kept = running.parameters()
    with user.deploy(NETWORK, snapshots=tmp_path / "snaps", resume="./snaps") as running:
        assert equal(running.parameters(), kept)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("snaps", "{here}/snaps"),
        ("./a/../snaps", "{here}/snaps"),
        ("/data/snaps", "/data/snaps"),
        ("file://snaps", "file://{here}/snaps"),
        ("local:///data/snaps", "file:///data/snaps"),
        ("memory://snaps", "memory://snaps"),
        ("s3://bucket/snaps", "s3://bucket/snaps"),
    ],
)
def test_a_relative_path_begins_in_the_folder_of_this_process(tmp_path, monkeypatch, given, meant):
    monkeypatch.chdir(tmp_path)
    assert absolute(given) == meant.format(here=tmp_path)


@pytest.mark.parametrize("wrong", ["", 3, b"there", True, Path])
def test_a_bad_path_is_quoted_by_every_verb_that_takes_one(user, home, wrong):
    with pytest.raises(SpecError, match=r"takes a path or"):
        Store(wrong)
    for option in ("snapshots", "resume"):
        with pytest.raises(SpecError, match=f"{option} takes a path or"):
            user.deploy(NETWORK, **{option: wrong})
    with user.deploy(NETWORK) as running:
        for verb in ("save", "load", "report"):
            with pytest.raises(SpecError, match=f"{verb} takes a path or"):
                getattr(running, verb)(wrong)


def test_the_home_of_nobody_is_an_error_and_no_folder(user, home, monkeypatch):
    unknown = "~nobody-of-this-name/x"
    with pytest.raises(SpecError, match="home of an unknown user"):
        user.deploy(NETWORK, snapshots=unknown)
    with user.deploy(NETWORK) as running:
        for verb in ("save", "load", "report"):
            with pytest.raises(SpecError, match="home of an unknown user"):
                getattr(running, verb)(unknown)
    monkeypatch.setenv("AKKORDEON_DATA", unknown)
    with pytest.raises(DataError, match=r"\$AKKORDEON_DATA takes a path.*home of an unknown user"):
        data.mnist("test").open()
    monkeypatch.setenv("AKKORDEON_DATA", "s3://bucket/data")
    with pytest.raises(DataError, match=r"\$AKKORDEON_DATA is 's3://bucket/data', and has to be a folder"):
        data.mnist("test").open()


def test_a_url_that_nothing_serves_is_named(user, home):
    with pytest.raises(CheckpointError, match="nowhere://x"):
        user.deploy(NETWORK, snapshots="nowhere://x")
