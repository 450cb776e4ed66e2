"""`on_stale="wait"`: no gradient is later than its gate allows, whoever sends batches, and none is lost for it."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import Gate, Network, Sentinel, optim
from akkordeon_dask.errors import SpecError
from tests.actors.test_message_laws import WatchedGate, impatient
from tests.actors.test_sequential import LOSSES, bits, deep_network, reference, trained
from tests.actors.test_synchronous import paces, storms
from tests.support.numbered_samples import NumberedLoss, Numbers, numbered, small_network
from tests.support.restarting_actors import RestartingCluster
from tests.support.simulated_cluster import PERFECT, SimulatedCluster


def bounded(network, limits, accumulate=1):
    policies = {"on_stale": "wait", "accumulate": accumulate}
    return Network(
        Gate(gate.layers, gate.optimizer, max_delay=limit, **policies)
        for gate, limit in zip(network.gates, limits, strict=True)
    )


def attach(cluster, sentinels):
    """Sentinels by name, each with (samples, concurrency, epochs)."""
    for name, (number, concurrency, epochs) in sentinels.items():
        plan = {"batch_size": 4, "concurrency": concurrency, "epochs": epochs}
        cluster.attach(name, Sentinel.train(numbered(number), loss=NumberedLoss(), scores=[Numbers()], **plan))


def check(cluster, sentinels):
    """All batches are part of each gate, once, and none was late."""
    batches = {name: -(-number // 4) * epochs for name, (number, _, epochs) in sentinels.items()}
    for gate in cluster.gates:
        assert max(gate.counts.delays) <= gate.gate.max_delay
        assert "stale gradient" not in gate.counts.dropped
    for name, (number, _, epochs) in sentinels.items():
        assert [(report.samples, report.lost) for report in cluster.reports[name]] == [(number, 0)] * epochs
    return sum(batches.values())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(storms(), st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(1, 3), st.integers(0, 5), st.data())
def test_no_gradient_is_late_and_each_batch_counts_once_whatever_happens_to_messages(fates, limits, many, seed, data):
    sentinels = {
        name: (data.draw(st.integers(4, 24)), data.draw(st.integers(1, 6)), 2)
        for name in ("one", "two", "three")[:many]
    }
    accumulate = data.draw(st.integers(1, 3))
    cluster = SimulatedCluster(
        bounded(small_network(len(limits)), limits, accumulate),
        fate=lambda message: next(fates), pace=paces(seed), timer=impatient, max_attempts=100, gate_class=WatchedGate,
    )  # fmt: skip
    attach(cluster, sentinels)
    cluster.run(cluster.finished)
    whole = check(cluster, sentinels)
    for gate in cluster.gates:
        assert gate.versions.present.number == whole and set(gate.updates.values()) == {1}


def test_without_waiting_the_same_scene_has_late_gradients():
    cluster = SimulatedCluster(small_network(3), pace=paces(1))
    attach(cluster, {"one": (80, 6, 2), "two": (80, 6, 2)})
    cluster.run(cluster.finished)
    assert max(cluster.gates[0].counts.delays) > 5


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_bound_is_used_up_to_its_end(limit):
    cluster = SimulatedCluster(bounded(small_network(2), [limit] * 2))
    attach(cluster, sentinels := {"one": (120, 8, 2), "two": (120, 8, 2)})
    in_flight = []
    cluster.run(cluster.finished, law=lambda: in_flight.append(cluster.gates[0].contexts))
    check(cluster, sentinels)
    assert max(cluster.gates[0].counts.delays) == limit
    assert max(in_flight) == limit + 1


@pytest.mark.parametrize("concurrency", [1, 4])
def test_promise_1_a_bound_of_no_delay_is_the_sequential_loop_bit_for_bit_at_any_concurrency(concurrency):
    network, loss = deep_network(optim.DCASGDa(0.05), max_delay=0, on_stale="wait"), LOSSES[0]
    assert bits(trained(network, loss, concurrency=concurrency)) == bits(reference(network, loss))


def test_validation_does_not_wait():
    cluster = SimulatedCluster(bounded(small_network(2), [0, 0]), pace=paces(3))
    attach(cluster, {"one": (200, 8, 2)})
    options = {"loss": NumberedLoss(), "scores": [Numbers()], "batch_size": 4, "concurrency": 6}
    cluster.attach("rating", Sentinel.validate(numbered(40), every=0.5, **options))
    cluster.run(cluster.finished)
    assert all(report.samples == 40 for report in cluster.reports["rating"])


@pytest.mark.parametrize("after", range(5, 120, 13))
def test_a_sentinel_that_leaves_frees_the_places_of_its_batches(after):
    events = itertools.count()

    def law():
        if next(events) == after:
            cluster.behaviors["two"].leave()

    cluster = SimulatedCluster(bounded(small_network(2), [2, 2]), pace=paces(after))
    attach(cluster, {"one": (40, 4, 2), "two": (400, 4, 2)})
    cluster.run(cluster.finished, law=law)
    assert [report.samples for report in cluster.reports["one"]] == [40, 40]
    assert cluster.now < 120


@pytest.mark.parametrize("seed", range(5))
def test_a_gradient_that_is_being_computed_keeps_its_place_though_its_sentinel_leaves(seed):
    cluster = SimulatedCluster(bounded(small_network(1), [0]), pace=paces(seed), help=lambda: 0.3)
    attach(cluster, {"one": (40, 4, 2), "two": (400, 4, 2)})
    gate, cell = cluster.gates[0], cluster.cells["gate g0"]
    cluster.run(lambda: cell.computing and gate.computes_gradient_of(("sentinel two", cluster.behaviors["two"].floor)))
    cluster.behaviors["two"].leave()
    cluster.run(cluster.finished)
    check(cluster, {"one": (40, 4, 2)})


def test_batches_that_nobody_asks_for_any_more_free_their_places():
    cluster = SimulatedCluster(bounded(small_network(2), [1, 1]))
    attach(cluster, {"one": (40, 2, 2), "gone": (400, 4, 2)})
    cluster.run(lambda: cluster.gates[0].contexts == 2)
    cluster.cells["sentinel gone"].stop()
    cluster.behaviors["gone"].gates = ()  # nobody hears that it leaves
    cluster.run(lambda: len(cluster.reports["one"]) == 2)
    assert cluster.now < 4 * 60


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("after", range(5, 40, 4))
def test_a_gate_that_moves_keeps_the_bound(after, which):
    move = lambda cluster: cluster.move(which, 0.05)  # noqa: E731
    network = bounded(small_network(2), [1, 1])
    cluster = RestartingCluster(network, troubles=[(after, move)] * 3, pace=paces(after), timer=impatient)
    attach(cluster, sentinels := {"one": (40, 4, 3), "two": (40, 3, 3)})
    cluster.run(cluster.finished)
    assert len(cluster.former) == 3
    assert {gate.versions.present.number for gate in cluster.gates} == {check(cluster, sentinels)}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_gate_that_resumes_with_more_batches_than_it_accumulates_takes_the_next_one(accumulate):
    former, cluster = (SimulatedCluster(bounded(small_network(1), [0], many)) for many in (4, accumulate))
    attach(former, {"one": (12, 2, 1)})
    former.run(former.finished)
    cluster.gates[0].versions.present = former.gates[0].versions.present
    assert cluster.gates[0].versions.accumulated == 3
    attach(cluster, sentinels := {"one": (12, 2, 1)})
    cluster.run(cluster.finished)
    check(cluster, sentinels)
    assert cluster.gates[0].versions.present.updates == 1 + 2 // accumulate


@pytest.mark.parametrize("limit", [0, 2])
@pytest.mark.parametrize("after", range(5, 90, 20))
def test_other_parameters_make_no_gradient_late(after, limit):
    events = itertools.count()

    def law():
        if next(events) == after:
            for gate in cluster.gates:
                gate.replace(*gate.versions.prepare(gate.versions.present.params))

    cluster = SimulatedCluster(bounded(small_network(2), [limit] * 2), pace=paces(after))
    attach(cluster, sentinels := {"one": (40, 4, 2), "two": (40, 4, 2)})
    cluster.run(cluster.finished, law=law)
    check(cluster, sentinels)


def test_a_sentinel_that_leaves_while_a_gate_is_about_to_move_is_not_waited_for_when_it_stays():
    def fate(message):
        return () if getattr(message, "trained", None) and message.header.sentinel == "two" else PERFECT

    cluster = SimulatedCluster(bounded(small_network(1), [0]), fate=fate)
    attach(cluster, {"two": (40, 1, 1), "one": (40, 4, 1)})
    cluster.run_for(0.1)
    gate = cluster.gates[0]
    assert gate.contexts == 1 and not gate.counts.batches
    gate.export_state()
    cluster.behaviors["two"].leave()
    cluster.run_for(0.1)
    gate.resume()
    cluster.run(cluster.finished)
    assert [report.samples for report in cluster.reports["one"]] == [40]
    assert cluster.now < 1


def test_a_rewind_frees_all_places():
    cluster = SimulatedCluster(bounded(small_network(1), [0]), timer=impatient)
    attach(cluster, {"one": (40, 4, 2)})
    gate = cluster.gates[0]
    first = gate.versions.present
    cluster.run(lambda: gate.versions.present.number == 3 and gate.contexts == 1)
    gate.rewind(first, 0.5)
    assert gate.contexts == 0
    cluster.run(cluster.finished)
    assert [report.samples for report in cluster.reports["one"]] == [40, 40]


def test_a_gate_that_waits_has_a_bound():
    with pytest.raises(SpecError, match="on_stale='wait' has a bound to wait for: add max_delay"):
        Gate(small_network(1).gates[0].layers, optim.SGD(0.1), on_stale="wait")
