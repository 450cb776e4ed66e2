"""Promise 11 without a cluster: in a consistent cut every gate was updated with the same batches."""

import random

import pytest

from akkordeon_dask import Sentinel, data
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.messages import Forward
from tests.actors.test_sequential import BATCH_SIZE, EPOCHS, LOSSES, SEED, bits, deep_network, images, optim, reference
from tests.support.recorded_order import Replay, batches_of, recording_gate
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_cuts import call, take_cut
from tests.support.small_networks import numbers, three_gates

CUTS = 34


class WatchedGate(GateBehavior):
    """A gate that knows which batches it was updated with, and which of them were when it was cut."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.updated, self.at_cut = [], []

    def _apply_gradient(self, computation):
        before = self.versions.present
        super()._apply_gradient(computation)
        if self.versions.present is not before:
            self.updated.append((computation.header.sentinel, computation.header.sequence))

    def take_cut(self, name, held):
        cut = super().take_cut(name, held)
        self.at_cut = list(self.updated)
        return cut


def stormy(dice):
    """Fates of messages: late, repeated, lost, in any order."""

    def fate(message):
        copies = dice.choices((0, 1, 2, 3), (1, 90, 6, 3))[0]
        return [dice.choice((0.0, 0.0, 0.01, 0.02, 0.1, 1.0)) for _ in range(copies)]

    return fate


def hurried():
    return RetransmissionTimer(1.0, 0.5, 2.0)


@pytest.mark.parametrize("concurrency", [1, 4, 8])
def test_every_gate_was_updated_with_the_batches_that_the_manifest_says(concurrency):
    dice = random.Random(concurrency)
    cluster = SimulatedCluster(
        three_gates(), fate=stormy(dice), pace=lambda: dice.choice((0.0, 0.001, 0.02)),
        help=lambda: dice.choice((None, 0.0, 0.05)), timer=hurried, max_attempts=2, gate_class=WatchedGate,
    )  # fmt: skip
    for number in range(3):
        provider = data.arrays(*numbers(160, features=784, classes=10))
        cluster.attach(f"t{number}", Sentinel.train(provider, batch_size=8, concurrency=concurrency))
    taken, partly = 0, 0
    for number in range(10 * CUTS):
        cluster.run_for(dice.choice((0.0, 0.1, 0.3)))
        cut = take_cut(
            cluster, f"cut {number}", order=lambda gates: dice.sample(gates, len(gates)),
            between=lambda: cluster.run_for(dice.choice((0.0, 0.01, 0.4))),
        )  # fmt: skip
        if cut is None:
            continue
        manifest, versions = cut
        taken += 1
        lost = [gates for batches in manifest.lost.values() for gates in batches.values()]
        partly += sum(0 < len(gates) < 3 for gates in lost)
        for gate in cluster.gates:
            assert len(gate.at_cut) == len({*gate.at_cut}) == versions[gate.name].number == manifest.numbers[gate.name]
            assert {*gate.at_cut} == said_of(manifest, gate.name)
        if taken == CUTS:
            break
    assert taken == CUTS and lost and partly > 0


def said_of(manifest, gate):
    """The batches that a gate was updated with, as the manifest says."""
    said = set()
    for name, saved in manifest.positions.items():
        position, lost = Position.from_dict(saved["position"]), manifest.lost.get(name, {})
        assert all(not one.beyond for one in position.passes)
        floor = position.passes[0].first + position.passes[0].floor if position.passes else position.sequence
        said |= {(name, one) for one in range(floor) if gate in lost.get(str(one), [gate])}
    return said


def test_a_run_that_goes_on_from_a_cut_equals_the_sequential_one_bit_for_bit():
    network, loss = deep_network(optim.DCASGDa(0.1)), LOSSES[0]
    sentinel = Sentinel.train(images(loss), batch_size=BATCH_SIZE, concurrency=1, loss=loss, scores=[], epochs=EPOCHS)
    first = SimulatedCluster(network, seed=SEED)
    first.attach("alone", sentinel)
    first.run(lambda: first.gates[0].versions.present.number > 8)
    manifest, versions = take_cut(first, "cut")
    second = SimulatedCluster(network, seed=SEED)
    for gate in second.gates:
        gate.versions.present = versions[gate.name]
    position = Position.from_dict(manifest.positions["alone"]["position"])
    second.attach("alone", sentinel).passes.resume(position, 0.0)
    for cluster in (first, second):
        cluster.run(cluster.finished)
        given = {gate.name: gate.versions.present.params for gate in cluster.gates}
        assert bits(given) == bits(reference(network, loss))


@pytest.mark.parametrize("policy", [optim.SGD(0.1, momentum=0.9), optim.DCASGDa(0.1)], ids=repr)
def test_at_more_credits_the_parameters_of_a_cut_equal_a_replay_of_the_recorded_order_bit_for_bit(policy):
    """Though messages are late, repeated and lost."""
    network, loss, dice, events = deep_network(policy), LOSSES[0], random.Random(3), []
    cluster = SimulatedCluster(
        network, seed=SEED, fate=stormy(dice), pace=lambda: dice.choice((0.0, 0.001, 0.02)),
        help=lambda: dice.choice((None, 0.0, 0.05)), timer=hurried, gate_class=recording_gate(events),
    )  # fmt: skip
    plan = {"batch_size": BATCH_SIZE, "concurrency": 4, "loss": loss, "scores": [], "epochs": 30}
    cluster.attach("alone", Sentinel.train(images(loss), **plan))
    cuts = {}
    while len(cuts) < 5:
        cluster.run_for(2.0)
        if (cut := take_cut(cluster, f"cut {len(cuts)}")) is not None:
            cuts[f"cut {len(cuts)}"] = cut[1]
    replay = Replay(network, batches_of(images(loss), "alone", BATCH_SIZE, plan["epochs"]), loss=loss, seed=SEED)
    replayed = replay.run(events)
    for name, versions in cuts.items():
        assert bits({gate: version.params for gate, version in versions.items()}) == bits(replayed[name])
    assert len({version.number for versions in cuts.values() for version in versions.values()}) == len(cuts)
    assert all(max(gate.counts.delays) > 0 for gate in cluster.gates[:-1])


def test_a_sentinel_that_nobody_releases_goes_on_by_itself_after_the_deadline():
    cluster = SimulatedCluster(three_gates())
    provider = data.arrays(*numbers(160, features=784, classes=10))
    sentinel = cluster.attach("t", Sentinel.train(provider, batch_size=8, concurrency=4, epochs=3))
    call(cluster, cluster.addresses["t"].actor, lambda: sentinel.hold("cut", 5.0))
    cluster.run(lambda: not sentinel.in_flight)
    began = cluster.now
    cluster.run(lambda: sentinel.in_flight > 0)
    assert cluster.now == began + 5.0
    assert call(cluster, cluster.addresses["t"].actor, lambda: sentinel.release_from("cut")) is None
    cluster.run(cluster.finished)
    assert [report.samples for report in cluster.reports["t"]] == [160] * 3


def test_batches_that_were_given_up_are_in_no_gate_of_the_cut():
    """A forward pass of a batch that was lost arrives only when the cut is taken."""
    late = iter([[90.0]])
    cluster = SimulatedCluster(
        three_gates(), timer=hurried, max_attempts=1, gate_class=WatchedGate,
        fate=lambda message: next(late, [0.0]) if isinstance(message, Forward) else [0.0],
    )  # fmt: skip
    provider = data.arrays(*numbers(160, features=784, classes=10))
    cluster.attach("t", Sentinel.train(provider, batch_size=8, concurrency=1, epochs=1))
    cluster.run(lambda: cluster.behaviors["t"].passes.lost > 0)
    manifest, _ = take_cut(cluster, "cut")
    assert manifest.lost == {"t": {"0": []}}
    cluster.run_for(100.0)
    assert all(("t", 0) not in gate.updated and len(gate.updated) == 19 for gate in cluster.gates)
