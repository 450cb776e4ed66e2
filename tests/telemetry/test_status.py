"""The status of published networks: the owner's word, the scheduler's workers, and heartbeats."""

import math
import time
from types import SimpleNamespace

import pytest

from akkordeon_dask.messages import TOPIC
from akkordeon_dask.telemetry import Heartbeat, PublishedNetwork, TelemetryPlugin, network_status
from tests.support.fake_heartbeats import beat, gate, passed, sentinel

NET = PublishedNetwork("net", "Client-1", (("g0", "tcp://alice", "key-g0"), ("g1", "tcp://bob", "key-g1")))


def worker(heartbeat: Heartbeat, age=0.0):
    return SimpleNamespace(
        address=heartbeat.address, name=heartbeat.name, metrics={TOPIC: heartbeat.metrics}, last_seen=time.time() - age
    )


@pytest.fixture
def scheduler():
    """A scheduler with workers alice and bob, from which no heartbeat with a gate has come."""
    workers = {one.address: worker(one) for one in (beat("alice"), beat("bob"))}
    made = SimpleNamespace(workers=workers, clients={"Client-1": None}, plugins={}, get_events=lambda topic: ())
    made.plugins[TOPIC] = TelemetryPlugin(made)
    return made


def receive(scheduler, *heartbeats):
    """Heartbeats of these workers, which are all that there are."""
    scheduler.workers = {one.address: worker(one) for one in heartbeats}
    scheduler.plugins[TOPIC].poll()


def status(scheduler, network=NET):
    (found,) = network_status([network], scheduler)
    return found


def test_before_any_heartbeat_its_gates_run_where_they_were_placed_and_their_figures_are_unknown(scheduler):
    found = status(scheduler)
    assert (found.name, found.owner, found.sentinels) == ("net", "Client-1", ())
    assert [(one.name, one.worker, one.state, one.version) for one in found.gates] == [
        ("g0", "alice", "running", None),
        ("g1", "bob", "running", None),
    ]
    assert all(math.isnan(one.busy) for one in found.gates)


def test_figures_are_those_of_heartbeats(scheduler):
    for second in range(2):
        g0 = gate("g0", 0, float(second), version=second, forwards=50 * second)
        receive(scheduler, beat("alice", gates=[g0]), beat("bob", gates=[gate("g1", 1, float(second))]))
    g0, g1 = status(scheduler).gates
    assert (g0.version, g0.samples_per_s, g1.samples_per_s) == (1, 50.0, 0.0)


def test_a_gate_has_its_delays_and_its_policy_as_it_was_announced(scheduler):
    policy = "optim.GapAware(optim.SGD(0.1)), max_delay=4"
    spec = {"name": "g0", "worker": "tcp://alice", "text": "Gate(...)", "policy": policy}
    scheduler.plugins[TOPIC].log_event(TOPIC, {"network": "net", "event": "deployed", "gates": [spec]})
    reported = [gate("g0", 0, delays=((0, 1), (1, 2), (4, 1))), gate("g1", 1)]
    receive(scheduler, beat("alice", gates=reported[:1]), beat("bob", gates=reported[1:]))
    g0, g1 = status(scheduler).gates
    assert (g0.delay, g0.largest_delay, g0.policy) == (1.5, 4, policy)
    assert math.isnan(g1.delay) and (g1.largest_delay, g1.policy) == (None, "")


def test_a_gate_of_another_incarnation_is_not_taken_for_this_one(scheduler):
    receive(scheduler, beat("alice", gates=[gate("g0", 0, version=7, key="former")]), beat("bob"))
    g0, _ = status(scheduler).gates
    assert (g0.worker, g0.state, g0.version) == ("alice", "running", None)


def test_the_gate_of_a_worker_that_is_gone_is_lost_at_once_reported_or_not(scheduler):
    receive(scheduler, beat("alice", gates=[gate("g0", 0)]), beat("bob"))
    del scheduler.workers["tcp://alice"], scheduler.workers["tcp://bob"]
    assert [(one.worker, one.address, one.state) for one in status(scheduler).gates] == [
        ("alice", "tcp://alice", "lost"),
        ("", "tcp://bob", "lost"),
    ]


def test_the_gate_of_a_worker_that_was_silent_from_the_start_gives_no_answer(scheduler):
    scheduler.workers["tcp://bob"] = worker(beat("bob"), age=60.0)
    assert [one.state for one in status(scheduler).gates] == ["running", "no answer"]


def test_it_has_the_sentinels_of_all_clients_with_their_last_pass_without_those_of_lost_workers(scheduler):
    at_alice = [sentinel("z"), sentinel("ask", mode="predict"), sentinel("a", mode="validate"), sentinel("b")]
    receive(scheduler, beat("alice", sentinels=at_alice), beat("bob", sentinels=[sentinel("lost")]))
    scheduler.plugins[TOPIC].log_event(TOPIC, passed("b", epoch=3))
    del scheduler.workers["tcp://bob"]
    sentinels = status(scheduler).sentinels
    assert [(one.name, one.worker) for one in sentinels] == [(name, "alice") for name in ("b", "z", "a", "ask")]
    assert [one.report and one.report.epoch for one in sentinels] == [3, None, None, None]


def test_a_network_whose_owner_is_gone_has_none(scheduler):
    scheduler.clients.clear()
    assert status(scheduler).owner is None
