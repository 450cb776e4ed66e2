"""URLs that cannot be written: errors name URL and cause, and older snapshots are kept."""

import os
import resource
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.snapshots import Store
from tests.snapshots.test_store import files
from tests.support.patience import PATIENCE
from tests.support.snapshot_trees import same

BIG = np.arange(200_000, dtype="i8")


@contextmanager
def files_of_at_most(size):
    """No file of this process grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs the right to mount a small file system: {error}")
    yield place
    subprocess.run(["umount", str(place)], check=True, capture_output=True, timeout=PATIENCE)


def check_that_it_fails(store, tree, cause):
    """A save that fails leaves everything as it was."""
    before = files(store.url)
    with pytest.raises(CheckpointError, match="cannot write snapshots") as caught:
        store.save("g0", tree, number=9)
    assert repr(store.url) in str(caught.value) and cause in str(caught.value)
    assert "make room there or choose another URL" in str(caught.value)
    assert files(store.url) == before


@pytest.mark.parametrize("url", ["nowhere://x", "memory::nowhere://x", "s4://bucket/x"])
def test_a_url_of_an_unknown_protocol_is_refused_at_once(url):
    with pytest.raises(CheckpointError, match="a URL that fsspec knows") as caught:
        Store(url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize("place", ["{file}", "{file}/below", "file://{file}/below"])
def test_a_folder_below_a_file_cannot_be_written(tmp_path, place):
    (tmp_path / "file").write_bytes(b"mine")
    store = Store(place.format(file=tmp_path / "file"))
    with pytest.raises(CheckpointError, match="cannot write snapshots") as caught:
        store.save("g0", (), number=1)
    assert repr(store.url) in str(caught.value) and "make room there or choose another URL" in str(caught.value)
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_folder_below_a_file_cannot_be_read(tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    store = Store(tmp_path / "file" / "below")
    for read in (lambda: store.load("g0"), lambda: store.numbers("g0"), store.series):
        with pytest.raises(CheckpointError, match=r"cannot read snapshots.*Not a directory.*check the URL"):
            read()


def test_a_full_disk_is_reported_and_the_older_snapshots_still_load(small_disk):
    store = Store(small_disk)
    for number in (1, 2):
        store.save("g0", np.full(40_000, number), number=number)
    check_that_it_fails(store, BIG, "No space left on device")
    assert store.numbers("g0") == [1, 2] and same(store.load("g0").tree, np.full(40_000, 2))
    store.save("g0", "small", number=3)
    assert store.load("g0").tree == "small"


def test_a_disk_too_full_for_the_manifest_alone_counts_as_full(small_disk):
    store = Store(small_disk)
    store.save("g0", "small", number=1)
    room = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(bytes((room.f_bavail - 2) * room.f_frsize))
    check_that_it_fails(store, np.zeros(900), "No space left on device")
    assert store.load("g0").tree == "small"


def test_a_file_that_the_system_truncates_is_reported(tmp_path):
    store = Store(tmp_path)
    store.save("g0", "small", number=1)
    with files_of_at_most(100_000):
        check_that_it_fails(store, BIG, "File too large")
    assert store.load("g0").tree == "small"


@pytest.mark.parametrize("at", [".safetensors", ".json"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_write_that_fails_at_either_file_leaves_nothing(url, monkeypatch, at, before):
    store = Store(url)
    store.save("g0", BIG[:10], number=1)
    write = store._files.write

    def fail(folder, name, pieces):
        if not (before and name.endswith(at)):
            write(folder, name, pieces)
        if name.endswith(at):
            raise ConnectionError("the line is dead")

    monkeypatch.setattr(store._files, "write", fail)
    check_that_it_fails(store, BIG, "the line is dead")
    assert store.load("g0").number == 1


def test_an_interrupt_during_a_write_leaves_nothing(url, monkeypatch):
    store = Store(url)
    store.save("g0", 1, number=1)
    before = files(url)

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("akkordeon_dask.snapshots._snapshot.seal", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.save("g0", 2, number=2)
    assert files(url) == before


def test_a_folder_that_vanishes_is_made_again(tmp_path):
    store = Store(tmp_path / "a")
    manifest = Path(store.save("g0", 1, number=1))
    for path in manifest.parent.iterdir():
        path.unlink()
    manifest.parent.rmdir()
    store.save("g0", 2, number=2)
    assert store.load("g0").number == 2


def test_a_file_with_the_name_of_a_series_is_no_series_without_snapshots(tmp_path):
    store = Store(tmp_path)
    (tmp_path / "g0").write_text("mine", encoding="utf-8")
    assert store.series() == []
    with pytest.raises(CheckpointError, match=r"g0' is a file, not a folder"):
        store.load("g0")
