"""Series, their order, and their retention."""

import os
import threading
from pathlib import Path
from typing import ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from akkordeon_dask.errors import SpecError
from akkordeon_dask.snapshots import Store
from tests.support.patience import PATIENCE
from tests.support.snapshot_trees import logged, same

law = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
HOUR = 3600

NAMES = [
    "../x", "..", ".", "", " ", "a/b", "/etc/passwd", "<img src=x>", "long" * 500, "long" * 500 + "er", "naïve 名前 🪗",
    "A", "a", "con", "g0\n", "g0\0", "%2E", "%", "~", "*?[a]", "s3://x", "a::b", "\ud800", "-x", "C:\\x",
]  # fmt: skip


def files(url):
    """The content of each file below the URL, by path."""
    system, root = fsspec.core.url_to_fs(url)
    return {path: system.cat_file(path) for path in system.find(root)}


def test_a_url_that_does_not_exist_yet_is_an_empty_store(url):
    store = Store(url)
    assert store.load("g0") is None and store.series() == [] and store.numbers("g0") == []
    assert repr(store) == f"Store({url!r}, keep=3)"


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_last_few_are_kept_and_the_older_ones_go(url, keep):
    store = Store(url, keep=keep)
    for number in range(8):
        store.save("g0", number, number=number)
        store.save("g1", -number, number=number)
        assert store.load("g0").tree == number
    assert store.numbers("g0") == store.numbers("g1") == list(range(8 - keep, 8))
    assert len(files(url)) == 4 * keep


@law
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=8), st.integers(1, 3))
def test_the_newest_has_the_highest_generation_then_number_then_time(memory_url, saves, keep):
    store, series = Store(memory_url, keep=keep), repr((saves, keep))
    for place, (generation, number) in enumerate(saves):
        store.save(series, place, number=number, generation=generation)
    order = sorted(range(len(saves)), key=lambda place: (saves[place], place))
    saved = store.load(series)
    assert (saved.tree, (saved.generation, saved.number)) == (order[-1], saves[order[-1]])
    assert store.generation(series) == saved.generation and store.generation("nothing") == 0
    # The one written last stays in any case.
    stay = order[-keep:] if len(saves) - 1 in order[-keep:] else [len(saves) - 1, *order[-keep:]]
    assert store.numbers(series) == [saves[place][1] for place in stay]


def test_a_forerunner_that_wakes_does_not_fight_its_successor(url):
    old, new = Store(url, keep=1), Store(url, keep=1)
    old.save("g0", "old 7", number=7, generation=1)
    new.save("g0", "new 3", number=3, generation=2)
    old.save("g0", "old 8", number=8, generation=1)
    assert new.load("g0").tree == "new 3"
    old.save("g0", "old 9", number=9, generation=1)
    assert new.numbers("g0") == [9, 3] and new.load("g0").tree == "new 3"
    new.save("g0", "new 4", number=4, generation=2)
    assert new.numbers("g0") == [4]


def test_hostile_names_stay_in_their_folder_and_apart(url, tmp_path):
    store = Store(url)
    for number, name in enumerate(NAMES):
        store.save(name, name.encode("utf-8", "replace").decode(), number=number)
    assert store.series() == sorted(NAMES)
    for number, name in enumerate(NAMES):
        saved = store.load(name)
        assert (saved.series, saved.number) == (name, number) and store.numbers(name) == [number]
    root = fsspec.core.url_to_fs(url)[1]
    assert len(files(url)) == 2 * len(NAMES)
    assert {path.removeprefix(root).count("/") for path in files(url)} == {2}
    folders = {path.removeprefix(root).split("/")[1] for path in files(url)}
    assert len({folder.casefold() for folder in folders}) == len(NAMES)
    assert all(len(folder) <= 120 for folder in folders)
    assert {path.name for path in tmp_path.iterdir()} <= {"a"}


@law
@given(st.text(st.characters(), max_size=80))
@example("\udfff" * 50)
def test_any_text_is_a_series(memory_url, name):
    store = Store(memory_url)
    store.save(name, (), number=1)
    assert name in store.series() and store.load(name).series == name


def test_strangers_files_are_left_alone(tmp_path):
    store = Store(tmp_path, keep=1)
    store.save("g0", 1, number=1)
    strange = [
        "README",
        "notes",
        "g0/notes.json",
        "g0/1-2-3.json",
        "g0/.hidden.part",
        "Other/x.json",
        "b~c/x.json",
        "%FF/x.json",
    ]
    for name in strange:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine", encoding="utf-8")
        os.utime(tmp_path / name, (0, 0))
    store.save("g0", 2, number=2)
    assert store.series() == ["g0"] and store.load("g0").tree == 2
    assert all((tmp_path / name).read_text(encoding="utf-8") == "mine" for name in strange)


def unfinished(folder):
    """Files as writers leave them that die at different times."""
    stem = "000001-0000000001-" + "0" * 24
    return [folder / f".{stem}.safetensors.0badcafe.part", folder / f"{stem}.safetensors"]


class Remembering(MemoryFileSystem):
    """Lists a folder once and believes it ever after, as the file systems of clouds do, until it is told not to."""

    known: ClassVar[dict[str, list[object]]] = {}

    def ls(self, path, detail=True, **options):
        if path not in self.known:
            self.known[path] = super().ls(path, detail, **options)
        return self.known[path]

    def invalidate_cache(self, path=None):
        self.known.pop(path, None)


def test_snapshots_of_other_writers_are_found_despite_cached_listings(memory_url, monkeypatch):
    writer = Store(memory_url, keep=1)
    monkeypatch.setitem(_registry, "memory", Remembering)
    reader = Store(memory_url, keep=1)
    for number in range(3):
        writer.save("g0", number, number=number)
        assert reader.series() == ["g0"] and reader.numbers("g0") == [number]
        assert reader.load("g0").tree == number


def test_files_of_dead_writers_are_removed_and_those_of_live_ones_stay(tmp_path):
    store = Store(tmp_path, keep=2)
    manifest = Path(store.save("g0", 2, number=2))
    left = unfinished(manifest.parent)
    for path in left:
        path.write_bytes(b"half")
    store.save("g0", 3, number=3)
    assert all(path.exists() for path in left)
    for path in left:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - HOUR))
    store.save("g0", 4, number=4)
    assert not any(path.exists() for path in left) and len(files(str(tmp_path))) == 4
    assert store.numbers("g0") == [3, 4]


def test_snapshots_of_an_hour_ago_stay(tmp_path):
    store = Store(tmp_path)
    for number in range(3):
        manifest = Path(store.save("g0", number, number=number))
        for path in manifest.parent.iterdir():
            os.utime(path, (0, 0))
    assert store.numbers("g0") == [0, 1, 2] and store.load("g0").number == 2


def test_a_failed_removal_is_logged_and_the_save_succeeds(url, monkeypatch):
    store = Store(url, keep=1)
    store.save("g0", 1, number=1)

    def refuse(folder, name):
        raise PermissionError(f"not yours: {name}")

    monkeypatch.setattr(store._files, "remove", refuse)
    with logged() as lines:
        store.save("g0", 2, number=2)
    assert len(lines) == 1 and "not yours" in lines[0]
    assert store.numbers("g0") == [1, 2]


@pytest.mark.parametrize("gone", [".json", ".safetensors"])
def test_a_snapshot_removed_by_its_writer_during_a_read_is_not_missed(url, monkeypatch, gone):
    reader, writer = Store(url, keep=1), Store(url, keep=1)
    writer.save("g0", 1, number=1)
    read = reader._files.read
    numbers = iter([2])

    def read_late(folder, name):
        if name.endswith(gone):
            for number in numbers:
                writer.save("g0", number, number=number)
        return read(folder, name)

    monkeypatch.setattr(reader._files, "read", read_late)
    with logged() as lines:
        assert reader.load("g0").number == 2
    assert lines == []


def test_two_writers_of_one_series_at_once_spoil_nothing(url):
    start = threading.Barrier(2, timeout=PATIENCE)
    errors = []

    def write(who):
        store = Store(url, keep=2)
        try:
            start.wait()
            for number in range(15):
                store.save("g0", {"who": who, "x": np.full(500, number)}, number=number)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert errors == []
    with logged() as lines:
        saved = Store(url).load("g0")
    assert lines == [] and saved.number == 14 and same(saved.tree["x"], np.full(500, 14))


@pytest.mark.parametrize("bad", [{"number": -1}, {"number": 1.0}, {"number": True}, {"number": 1, "generation": -2}])
def test_numbers_are_whole_and_from_0(memory_url, bad):
    with pytest.raises(SpecError, match=r"'g0'.* is a whole number of at least 0, not "):
        Store(memory_url).save("g0", (), **bad)


@pytest.mark.parametrize("keep", [0, -1, 1.5, True, None])
def test_at_least_one_is_kept(tmp_path, keep):
    with pytest.raises(SpecError, match=f"a Store's keep is a whole number of at least 1, not {keep!r}"):
        Store(tmp_path, keep=keep)
