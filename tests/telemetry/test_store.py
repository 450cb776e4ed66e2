"""The store: networks from heartbeats and events."""

import logging
import math
import pickle

import numpy as np
import pytest

from akkordeon_dask.telemetry import TelemetryStore
from akkordeon_dask.telemetry._network import HOUR
from tests.support.fake_heartbeats import HOSTILE, beat, gate, link, passed, sentinel


@pytest.fixture
def store():
    return TelemetryStore()


def latest(store, network="net"):
    """The newest row of a network's history, without what is not known."""
    _, columns = store.networks[network].history.since(store.networks[network].history.rows - 1)
    return {name: float(column[0]) for name, column in columns.items() if not np.isnan(column[0])}


def test_rates_are_differences_over_the_workers_own_clock(store):
    store.update([beat(gates=[gate(at=50.0)], sentinels=[sentinel(at=50.0)])], now=1000.0)
    reported = [gate(at=52.0, forwards=600, backwards=400, evaluated=100, busy=1.5)]
    store.update([beat(gates=reported, sentinels=[sentinel(at=54.0, samples=800, in_flight=3)])], now=1001.0)
    row = latest(store)
    assert (row["forward0"], row["backward0"], row["busy0"]) == (350.0, 200.0, 0.75)
    assert (row["samples0"], row["in_flight0"]) == (200.0, 3.0)


def test_a_heartbeat_that_is_read_twice_changes_no_rate(store):
    store.update([beat(gates=[gate(at=0.0)])], now=0.0)
    store.update([beat(gates=[gate(at=1.0, forwards=100)])], now=1.0)
    before = latest(store)
    store.update([beat(gates=[gate(at=1.0, forwards=100)])], now=2.0)
    assert latest(store)["forward0"] == before["forward0"] == 100.0


def test_the_rates_of_a_gate_that_says_nothing_new_for_long_are_not_known(store):
    store.update([beat(gates=[gate(at=0.0)])], now=0.0)
    store.update([beat(gates=[gate(at=1.0, forwards=100)])], now=1.0)
    store.update([beat(gates=[gate(at=1.0, forwards=100)])], now=60.0)
    assert "forward0" not in latest(store)


def test_the_rates_of_a_restarted_gate_begin_again(store):
    store.update([beat(gates=[gate(at=0.0, forwards=1000)])], now=0.0)
    store.update([beat("bob", gates=[gate(at=900.0, key="another", forwards=10)])], now=1.0)
    assert "forward0" not in latest(store)
    store.update([beat("bob", gates=[gate(at=901.0, key="another", forwards=30)])], now=2.0)
    assert latest(store)["forward0"] == 20.0
    assert store.networks["net"].gates["g0"].worker == "bob"


def test_a_network_ends_when_it_says_so_or_its_last_gate_is_gone(store):
    store.update([beat(gates=[gate(), gate(network="other")])], now=0.0)
    store.event({"network": "net", "event": "closed"}, now=1.0)
    assert store.networks["net"].ended == 1.0
    store.update([beat(gates=[gate()])], now=2.0)
    assert store.networks["net"].ended == 1.0, "a late heartbeat brings nothing back"
    assert store.networks["other"].ended == 2.0
    rows = store.networks["other"].history.rows
    store.update([beat()], now=3.0)
    assert store.networks["other"].history.rows == rows


def test_the_newest_network_that_runs_is_shown_else_the_last_that_ended(store):
    assert store.newest() is None
    for name, when in (("old", 1.0), ("new", 2.0)):
        store.event({"network": name, "event": "deployed", "gates": []}, now=when)
    assert store.newest().name == "new"
    store.event({"network": "new", "event": "closed"}, now=3.0)
    assert store.newest().name == "old"
    store.event({"network": "old", "event": "closed"}, now=4.0)
    assert store.newest().name == "old"


def test_a_network_deployed_under_the_name_of_one_that_ended_has_its_own_history(store):
    store.update([beat(gates=[gate()])], now=0.0)
    store.event(passed(), now=0.5)
    store.event({"network": "net", "event": "deployed", "gates": []}, now=1.0)
    network = store.networks["net"]
    assert (network.history.rows, len(network.passes), network.gates) == (0, 0, {})


def test_bytes_are_counted_between_the_workers_that_the_network_is_on(store):
    def beats(at, sent):
        yield beat("alice", at=at, gates=[gate()], links=[link("tcp://bob", sent), link("tcp://carol", 10 * sent)])
        yield beat("bob", at=at, gates=[gate("g1", 1)])
        yield beat("carol", at=at)

    store.update(beats(0.0, 0), now=0.0)
    store.update(beats(2.0, 4000), now=1.0)
    network = store.networks["net"]
    assert list(network.links) == [("alice", "bob")]
    assert latest(store)["link0"] == 2000.0


def test_gates_keep_their_order_however_they_come(store):
    store.update([beat("bob", gates=[gate("b", 1), gate("c", 2)]), beat("alice", gates=[gate("a", 0)])], now=0.0)
    assert list(store.networks["net"].gates) == ["a", "b", "c"]


def test_an_hour_is_kept_and_no_more(store):
    for second in range(HOUR + 500):
        store.update([beat(gates=[gate(at=second, forwards=second)])], now=float(second))
    times, columns = store.networks["net"].history.since(0)
    assert (len(times), times[0], times[-1]) == (HOUR, 500.0, HOUR + 499.0)
    assert set(columns["forward0"]) == {1.0}


def test_it_is_bounded_however_many_networks_sentinels_passes_and_incidents_there_are(store):
    for number in range(300):
        store.event({"network": f"n{number}", "event": "deployed", "gates": []}, now=number)
        store.event({"network": f"n{number}", "event": "closed"}, now=number + 0.5)
        store.update([beat(gates=[gate()], sentinels=[sentinel(f"s{number}")])], now=number)
    assert len(store.networks) <= 33
    assert len(store.networks["net"].sentinels) <= 202
    for number in range(5000):
        store.event(passed(epoch=number), now=number)
        store.event({"network": "net", "event": "lost", "sentinel": "s", "text": "batch 1"}, now=number)
    network = store.networks["net"]
    assert (network.passes[0].epoch, network.passes[-1].epoch, network.passes.seen) == (0, 4999, 5000)
    assert 500 <= len(network.passes) <= 1000
    assert (len(network.incidents), network.incidents_seen) == (500, 5000)


def test_an_incident_is_kept_with_whom_it_concerns(store):
    store.event({"network": "net", "event": "failed", "sentinel": HOSTILE, "text": "the loss is nan"}, now=5.0)
    incident = store.networks["net"].incidents[0]
    assert (incident.event, incident.who, incident.text) == ("failed", HOSTILE, "the loss is nan")


@pytest.mark.parametrize(
    "event", [None, "text", {}, {"network": "net"}, passed(loss=0.5) | {"scores": None} | {"x": 1}]
)
def test_something_that_is_no_event_is_logged_and_dropped(store, event, caplog):
    if isinstance(event, dict) and event.get("event") == "pass":
        del event["loss"]
    with caplog.at_level(logging.WARNING):
        store.event(event, now=0.0)
    assert "is not one" in caplog.text


def test_a_heartbeat_of_another_form_is_logged_and_the_others_are_read(store, caplog):
    with caplog.at_level(logging.WARNING):
        store.update([beat("alice", gates=[{"name": "g0"}]), beat("bob", gates=[gate("g1", 1)])], now=0.0)
    assert "tcp://alice" in caplog.text
    assert list(store.networks["net"].gates) == ["g1"]


def test_the_telemetry_of_a_network_travels_by_pickle(store):
    store.update([beat(gates=[gate(delays=((0, 3), (2, 1)))], sentinels=[sentinel()])], now=0.0)
    store.event(passed(), now=1.0)
    copy = pickle.loads(pickle.dumps(store.networks["net"]))
    assert copy.gates["g0"].metrics == store.networks["net"].gates["g0"].metrics
    assert list(copy.passes) == list(store.networks["net"].passes)
    assert math.isnan(copy.gates["g0"].rate("forwards", 0.0))
