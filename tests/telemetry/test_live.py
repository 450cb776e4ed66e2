"""A live status is a network at a moment, and stays so."""

import dataclasses
import math
import pickle

import pytest

from akkordeon_dask.telemetry import TelemetryStore
from akkordeon_dask.telemetry._live import live_status, mean_delay
from tests.support.fake_heartbeats import beat, gate, passed, sentinel


def seconds(store, begin, end):
    """A gate with 100 samples and 5 updates a second, two sentinels at work, and one that only predicts."""
    for second in range(begin, end):
        at = float(second)
        g0 = gate("g0", 0, at, forwards=90 * second, evaluated=10 * second, backwards=80 * second, updates=5 * second)
        g0 |= {"busy": 2.0 * at, "version": 7, "mailbox": 3, "contexts": 2, "versions": 4, "delays": ((0, 1), (3, 3))}
        ones = [sentinel("validate0", at, mode="validate"), sentinel("ask", at, mode="predict")]
        work = {"samples": 60 * second, "in_flight": 2, "concurrency": 5, "epoch": second, "epochs": 9, "lost": 7}
        ones.append(sentinel("train0", at, **work))
        store.update([beat("alice", at=at, gates=[g0], sentinels=ones)], at)
        store.event(passed("train0", epoch=second + 1), at)


@pytest.fixture
def store():
    store = TelemetryStore()
    seconds(store, 0, 3)
    return store


def test_it_has_rates_and_figures_of_gates(store):
    (g0,) = live_status(store.newest(), 2.0).gates
    assert (g0.name, g0.worker, g0.address, g0.state) == ("g0", "alice", "tcp://alice", "running")
    assert (g0.samples_per_s, g0.backwards_per_s, g0.updates_per_s) == (100, 80, 5)
    assert g0.busy == 1.0, "a share is never above one"
    assert (g0.version, g0.mailbox, g0.contexts, g0.versions, g0.delay) == (7, 3, 2, 4, 2.25)


def test_it_has_the_sentinels_at_work_those_that_train_first_with_their_newest_passes(store):
    train, validate = live_status(store.newest(), 2.0).sentinels
    assert (train.name, train.mode, train.state, train.epoch, train.epochs) == ("train0", "train", "running", 2, 9)
    assert (train.samples_per_s, train.in_flight, train.concurrency, train.lost) == (60, 2, 5, 7)
    assert train.report.epoch == 3
    assert (validate.name, validate.report) == ("validate0", None)


def test_a_rate_is_unknown_before_two_heartbeats_and_when_they_stop():
    store = TelemetryStore()
    seconds(store, 0, 1)
    first = live_status(store.newest(), 0.0).gates[0]
    assert math.isnan(first.busy) and math.isnan(first.samples_per_s)
    seconds(store, 1, 3)
    silent = live_status(store.newest(), 60.0).gates[0]
    assert (silent.state, silent.version) == ("no answer", None) and math.isnan(silent.busy)
    store.update([beat(gates=[gate("g1", 1, 3.0)])], 3.0)
    lost = live_status(store.newest(), 3.0)
    assert (lost.ended, lost.sentinels) == (None, ())
    assert [(gate.state, gate.mailbox) for gate in lost.gates] == [("lost", None), ("running", 0)]
    store.update([], 4.0)
    ended = live_status(store.newest(), 4.0)
    assert (ended.ended, [gate.state for gate in ended.gates]) == (4.0, ["ended"] * 2)


def test_it_has_the_newest_incidents_newest_first(store):
    for number in range(9):
        store.event({"network": "net", "event": "lost", "sentinel": "train0", "text": str(number)}, float(number))
    status = live_status(store.newest(), 9.0)
    assert [one.text for one in status.incidents] == ["8", "7", "6", "5", "4"]
    assert status.incidents_seen == 9


def test_it_does_not_change_with_what_comes_after(store):
    status = live_status(store.newest(), 2.0)
    before = pickle.dumps(dataclasses.asdict(status))
    seconds(store, 3, 9)
    assert pickle.dumps(dataclasses.asdict(status)) == before


def test_it_is_little_however_long_the_network_has_run(store):
    short = len(pickle.dumps(live_status(store.newest(), 2.0)))
    seconds(store, 3, 3000)
    assert len(pickle.dumps(live_status(store.newest(), 2999.0))) < short + 200


def test_the_mean_of_no_delays_is_not_a_number():
    assert math.isnan(mean_delay(()))


def test_a_gate_of_which_nothing_is_known_yet_is_not_taken_for_a_busy_one():
    store = TelemetryStore()
    seconds(store, 0, 1)
    seconds(store, 1, 3)
    _, columns = store.newest().history.since(0)
    assert math.isnan(columns["busy0"][0]) and columns["busy0"][1] == 1.0


@pytest.mark.parametrize(
    ("waiting", "words"), [(0.0, "running"), (4.9, "running"), (12.3, "waiting for data since 12 s")]
)
def test_a_sentinel_whose_provider_blocks_says_so(store, waiting, words):
    store.update([beat("alice", at=3.0, gates=[gate()], sentinels=[sentinel("train0", 3.0, waiting=waiting)])], 3.0)
    (one,) = (one for one in live_status(store.newest(), 3.0).sentinels if one.name == "train0")
    assert (one.state, one.activity) == ("running", words)
