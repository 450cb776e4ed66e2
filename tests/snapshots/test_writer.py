"""The writer: puts never wait, the newest of a series wins, and no failure reaches the caller."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask.errors import CheckpointError, ClosedError, DeadlineError
from akkordeon_dask.snapshots import Store, Writer
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.snapshot_trees import logged


class Gated:
    """A store that writes only while its gate is open, and remembers what it was given."""

    def __init__(self):
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)
        self.saved = []
        self.bad = set()

    def save(self, series, tree, *, number, facts, generation):
        self.begun.release()
        assert self.open.wait(PATIENCE)
        if number in self.bad:
            raise CheckpointError(f"no room for {number}")
        self.saved.append((series, generation, number))
        return f"gated://{series}/{number}"


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
def results():
    return []


@pytest.fixture
def writer(gated, results):
    writer = Writer(gated, name="test", on_result=lambda *result: results.append((threading.current_thread(), *result)))
    yield writer
    gated.open.set()
    writer.close(PATIENCE)


@pytest.fixture
def held(gated, writer):
    """The writer while it is stuck in the snapshot 0 of a series of its own."""
    writer.put("first", (), number=0)
    assert gated.begun.acquire(timeout=PATIENCE)
    return writer


def test_the_series_take_turns_in_the_order_they_came(gated, held):
    for number, series in enumerate(["b", "a", "c", "b", "a"]):
        held.put(series, (), number=number)
    gated.open.set()
    held.flush(PATIENCE)
    assert gated.saved[1:] == [("b", 1, 3), ("a", 1, 4), ("c", 1, 2)]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.integers(0, 5)), max_size=12), st.integers(0, 5))
def test_of_each_series_the_newest_that_waits_is_written_or_has_failed(puts, bad):
    gated, failed = Gated(), set()
    gated.bad = {bad}
    writer = Writer(gated, name="law", on_result=lambda series, number, error: failed.add(series) if error else None)
    writer.put("first", (), number=9)
    assert gated.begun.acquire(timeout=PATIENCE)
    for series, generation, number in puts:
        writer.put(series, (), number=number, generation=generation)
    gated.open.set()
    writer.close(PATIENCE)
    newest = {series: max(put[1:] for put in puts if put[0] == series) for series in {put[0] for put in puts}}
    good = {(series, *key) for series, key in newest.items() if key[1] != bad}
    assert set(gated.saved[1:]) == good
    assert failed == newest.keys() - {series for series, *_ in good}


def test_a_flush_waits_for_the_snapshot_that_has_replaced_one(gated, held, monkeypatch):
    save, flushed = gated.save, []

    def save_when_the_flush_waits(series, *args, **options):
        if series == "g0":
            wait_until(lambda: flushed[0].done() or held._changed._waiters)
        return save(series, *args, **options)

    monkeypatch.setattr(gated, "save", save_when_the_flush_waits)
    held.put("g0", (), number=1)
    with ThreadPoolExecutor(1) as threads:
        flushed.append(threads.submit(lambda: (held.flush(PATIENCE), [*gated.saved])))
        wait_until(lambda: held._changed._waiters)
        held.put("g0", (), number=2)
        gated.open.set()
        _, saved = flushed[0].result(PATIENCE)
    assert saved == [("first", 1, 0), ("g0", 1, 2)]


def test_a_failure_is_reported_and_the_next_one_is_written(gated, held, results):
    gated.bad = {1}
    gated.open.set()
    held.put("g0", np.zeros(5), number=1)
    held.flush(PATIENCE)
    held.put("g0", np.zeros(5), number=2)
    held.flush(PATIENCE)
    reported = [(series, number, str(error)) for _, series, number, error in results]
    assert reported == [("first", 0, "None"), ("g0", 1, "no room for 1"), ("g0", 2, "None")]
    assert {thread.name for thread, *_ in results} == {"akkordeon writer test"}


def test_a_tree_that_cannot_be_kept_is_a_failure_like_any_other(tmp_path):
    store, errors = Store(tmp_path), {}
    writer = Writer(store, name="test", on_result=lambda series, number, error: errors.update({series: error}))
    writer.put("g0", {1, 2}, number=1)
    writer.put("g1", np.arange(3), number=7, facts={"a": 1}, generation=4)
    writer.close(PATIENCE)
    assert "{1, 2}" in str(errors["g0"]) and errors["g1"] is None
    saved = store.load("g1")
    assert (saved.number, saved.generation, saved.facts) == (7, 4, {"a": 1})


def test_a_callback_that_fails_is_logged_and_the_writer_continues(gated):
    def fail(*result):
        raise RuntimeError("the callback's own fault")

    writer = Writer(gated, name="test", on_result=fail)
    gated.open.set()
    with logged() as lines:
        writer.put("g0", (), number=1)
        writer.flush(PATIENCE)
        writer.put("g0", (), number=2)
        writer.close(PATIENCE)
    assert [number for _, _, number in gated.saved] == [1, 2]
    assert [line for line in lines if "on_result failed" in line] == lines and len(lines) == 2


def test_a_callback_may_put(gated):
    seen = []

    def again(series, number, error):
        seen.append(number)
        if number < 3:
            writer.put(series, (), number=number + 1)

    writer = Writer(gated, name="test", on_result=again)
    gated.open.set()
    writer.put("g0", (), number=1)
    while len(seen) < 3:
        writer.flush(PATIENCE)
    writer.close(PATIENCE)
    assert seen == [1, 2, 3] and [number for _, _, number in gated.saved] == [1, 2, 3]


@pytest.mark.parametrize("fails", [False, True])
def test_a_tree_is_not_copied_and_is_released_after_the_write(gated, writer, fails):
    gated.bad = {1} if fails else set()
    array = np.zeros(1000)
    gone = weakref.ref(array)
    gc.disable()
    try:
        writer.put("g0", (array, [array]), number=1)
        del array
        assert gated.begun.acquire(timeout=PATIENCE)
        assert gone() is not None
        gated.open.set()
        writer.flush(PATIENCE)
        assert gone() is None
    finally:
        gc.enable()


def test_closing_writes_the_waiting_snapshots_and_ends_the_thread(gated, held):
    held.put("g0", (), number=1)
    held.put("g1", (), number=2)
    gated.open.set()
    held.close(PATIENCE)
    assert [series for series, _, _ in gated.saved] == ["first", "g0", "g1"]
    assert not any(thread.name == "akkordeon writer test" for thread in threading.enumerate())
    held.close(PATIENCE)
    with pytest.raises(ClosedError, match="snapshot 3 of 'g0' is not written"):
        held.put("g0", (), number=3)
    held.flush(0)


def test_closing_stops_at_its_deadline_and_names_the_unwritten_snapshots(gated, held):
    held.put("g0", (), number=1)
    with pytest.raises(DeadlineError, match=r"1 of 'g0', 0 of 'first' within 0\.05 s"):
        held.close(0.05)
    gated.open.set()
    held.close(PATIENCE)
    assert gated.saved == [("first", 1, 0)]
    assert not any(thread.name == "akkordeon writer test" for thread in threading.enumerate())


def test_a_flush_stops_at_its_deadline_and_the_writer_continues(gated, held):
    with pytest.raises(DeadlineError, match=r"0 of 'first' within 0\.05 s: check that the store answers"):
        held.flush(0.05)
    gated.open.set()
    held.flush(PATIENCE)
    assert gated.saved == [("first", 1, 0)]


def test_a_flush_does_not_wait_for_later_snapshots(gated, monkeypatch):
    def again(series, number, error):
        if number == 1:
            gated.open.clear()
            writer.put("g0", (), number=2)

    writer = Writer(gated, name="test", on_result=again)
    pending = writer._pending

    def open_the_gate(last):
        # The flush has begun: it knows how far it goes.
        gated.open.set()
        monkeypatch.setattr(writer, "_pending", pending)
        return pending(last)

    writer.put("g0", (), number=1)
    monkeypatch.setattr(writer, "_pending", open_the_gate)
    writer.flush(PATIENCE)
    assert [number for _, _, number in gated.saved] == [1]
    gated.open.set()
    writer.close(PATIENCE)
    assert [number for _, _, number in gated.saved] == [1, 2]
