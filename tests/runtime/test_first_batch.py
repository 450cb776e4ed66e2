"""`attach` tries a sentinel's data: the first batch is drawn and looked at, and is part of the first pass."""

import queue
import threading
from dataclasses import dataclass

import dask.config
import numpy as np
import pytest

from akkordeon_dask import Sentinel, data, deploy
from akkordeon_dask.errors import ClosedError, DataError, NameConflictError, SentinelError, ShapeError
from tests.support.gate_versions import versions
from tests.support.leftovers import wait_until
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, numbers, rating, train


class Tap:
    """A stream that gives what is put in, and tells how often it was asked; for a worker in this process."""

    def __init__(self):
        self.batches, self.drawn = queue.SimpleQueue(), []

    def __call__(self):
        while (batch := self.batches.get(timeout=PATIENCE)) is not None:
            self.drawn.append(batch)
            yield batch

    def __reduce__(self):
        return (_tap, ())


_TAPS = []


def _tap():
    return _TAPS[-1]


@pytest.fixture
def tap():
    _TAPS.append(Tap())
    yield _TAPS[-1]
    _TAPS[-1].batches.put(None)
    _TAPS.pop()


@pytest.fixture
def hasty():
    """Attach waits a moment only."""
    with dask.config.set({"akkordeon.timeouts.first-batch": "50ms"}):
        yield


def test_the_batch_that_was_tried_is_trained_on_and_none_is_drawn_twice(user, tap):
    batch = numbers(16)
    for _ in range(3):
        tap.batches.put(batch)
    tap.batches.put(None)
    with user.deploy(NETWORK) as running:
        running.attach(Sentinel.train(data.stream(tap), epochs=1, concurrency=1))
        (report,) = running.wait(timeout=PATIENCE)
        assert len(tap.drawn) == 3 and report.samples == 48
        assert {*versions(running).values()} == {3}


def test_a_stream_that_has_nothing_yet_is_attached_and_waited_for(running, tap, hasty):
    attached = running.attach(Sentinel.train(data.stream(tap), epochs=1))
    assert tap.drawn == [] and attached.state == "running"
    assert running.evaluate(rating()).samples == 64
    tap.batches.put(numbers(16))
    tap.batches.put(None)
    (*_, report) = running.wait(timeout=PATIENCE)
    assert report.samples == 16


def test_wait_raises_for_a_first_batch_that_comes_late_and_does_not_fit(running, tap, hasty):
    running.attach(Sentinel.train(data.stream(tap), epochs=1))
    tap.batches.put((np.zeros((4, 7), np.float32), np.zeros(4, int)))
    with pytest.raises(ShapeError, match=r"gate 'g0' cannot work on 7 features.*running\.detach\('train0'\)"):
        running.wait(timeout=PATIENCE)


def test_where_it_fails_nothing_is_left_and_the_name_is_free(user, nothing_left):
    bad = data.stream([(np.zeros((4, 7), np.float32), np.zeros(4, int))])
    with user.deploy(NETWORK) as running:
        with pytest.raises(ShapeError):
            running.attach(Sentinel.train(bad, name="tdp"))
        assert running.sentinels == {}
        good = running.attach(train(epochs=2, name="tdp"))
        running.wait(timeout=PATIENCE)
        assert [report.epoch for report in good.reports] == [1, 2]
    nothing_left()


def test_one_that_could_not_be_attached_has_not_been_there_and_its_namesake_resumes(user, tmp_path):
    with user.deploy(NETWORK, snapshots=str(tmp_path)) as running:
        running.attach(train(epochs=2, name="tdp"))
        running.wait(timeout=PATIENCE)
    bad = data.stream([(np.zeros((4, 7), np.float32), np.zeros(4, int))])
    with user.deploy(NETWORK, resume=str(tmp_path)) as running:
        with pytest.raises(ShapeError):
            running.attach(Sentinel.train(bad, name="tdp"))
        resumed = running.attach(train(epochs=3, name="tdp"))
        running.wait(timeout=PATIENCE)
        assert [report.epoch for report in resumed.reports] == [3]


def test_a_generator_is_refused_in_one_line_and_nothing_else_is_said(user, cluster, nothing_left, caplog, capfd):
    def made():
        yield numbers(16)

    with user.deploy(NETWORK) as running:
        before = set(user.client.futures)
        for _ in range(2):
            with pytest.raises(DataError, match=r"a generator cannot travel .*give the function that makes it") as e:
                running.attach(Sentinel.train(made(), name="tdp"))
            assert "\n" not in str(e.value)
        assert set(user.client.futures) == before and running.sentinels == {}
        running.attach(train(epochs=1, name="tdp"))
        assert len(running.wait(timeout=PATIENCE)) == 1
    assert "Traceback" not in caplog.text + capfd.readouterr().err
    nothing_left()


@dataclass(frozen=True, repr=False)
class Raises(data.Provider):
    """Has no data."""

    def open(self):
        raise ZeroDivisionError("no data")


FEW, OTHER = data.arrays(*numbers(8)), np.zeros((64, 7), np.float32)
BAD = [
    (data.stream([(OTHER, np.zeros(64, int))]), ShapeError, "gate 'g0' cannot work on 7 features"),
    (data.arrays(OTHER, np.zeros(64, int)), ShapeError, "gate 'g0' cannot work on 7 features"),
    (FEW, DataError, "batch_size=16 is larger than the 8 samples"),
    (Raises(), SentinelError, r"sentinel 'tdp': .*Raises\(\) raised ZeroDivisionError\('no data'\): fix the provider"),
]


def test_attach_raises_for_bad_data_of_a_worker_process(processes):
    with deploy(NETWORK, processes.client) as running:
        for provider, error, text in BAD:
            with pytest.raises(error, match=text):
                running.attach(Sentinel.train(provider, name="tdp", batch_size=16))
        running.attach(train(name="tdp"), epochs=2)
        assert len(running.wait(timeout=PATIENCE)) == 2
    processes.nothing_left()


def test_while_a_first_batch_is_waited_for_all_other_verbs_work_and_know_nothing_of_it(user, tap):
    with user.deploy(NETWORK) as running, dask.config.set({"akkordeon.timeouts.first-batch": PATIENCE}):
        there = running.attach(train())
        attaching = threading.Thread(target=running.attach, args=(Sentinel.train(data.stream(tap), name="late"),))
        attaching.start()
        wait_until(lambda: {one.name for one in running.plain._session._opening} == {"late"})
        running.wait(epochs=2, timeout=PATIENCE)
        running.pause()
        assert {*running.statistics()} == {"g0", "g1", there.name} and [*running.sentinels] == [there.name]
        with pytest.raises(NameConflictError, match="'late'"):
            running.attach(train(name="late"))
        tap.batches.put(numbers(16))
        attaching.join(PATIENCE)
        assert {*running.sentinels} == {there.name, "late"}


def test_closing_while_a_first_batch_is_waited_for_ends_the_attach(user, tap, nothing_left):
    told = []

    def attach():
        with pytest.raises(ClosedError):
            running.attach(Sentinel.train(data.stream(tap), name="late"))
        told.append(True)

    with dask.config.set({"akkordeon.timeouts.first-batch": PATIENCE}):
        running = user.deploy(NETWORK)
        attaching = threading.Thread(target=attach)
        attaching.start()
        wait_until(lambda: running.plain._session._opening)
        running.close()
        tap.batches.put(None)
        attaching.join(PATIENCE)
    assert told == [True]
    nothing_left()
