"""Gates that update with the mean gradient of several batches."""

import pickle

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from akkordeon_dask import Sentinel, data, nn, optim
from akkordeon_dask.actors.gate._snapshots import GateSnapshots, load_version
from akkordeon_dask.errors import SpecError
from akkordeon_dask.network import Gate
from akkordeon_dask.snapshots import SnapshotPolicy
from akkordeon_dask.tree import leaves, map_leaves
from tests.actors.test_sequential import BATCH_SIZE, EPOCHS, SEED, deep_network, images
from tests.actors.test_sequential import bits as all_bits
from tests.support.gate_harness import Bench, bits
from tests.support.patience import PATIENCE
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.small_networks import three_gates

OPTIMIZERS = [optim.SGD(0.05, momentum=0.9), optim.Adam(0.01), optim.DCASGDa(0.05)]


def batches(provider, epochs=EPOCHS):
    """`(epoch, sequence, (x, target, weights))` of a sentinel."""
    source, sequence = provider.open(), 0
    for epoch in range(1, epochs + 1):
        for x, target, *weights in source.batches(epoch, BATCH_SIZE):
            yield epoch, sequence, (x, target, weights[0] if weights else None)
            sequence += 1
    source.close()


@threadpool_limits.wrap(limits=1, user_api="blas")
def accumulating_loop(network, provider, loss, many):
    """The parameters after an update with each `many` batches, by one loop."""
    params = network.init(SEED)
    states = {name: gate.optimizer.init(params[name]) for name, gate in zip(network.names, network, strict=True)}
    waiting = []
    for epoch, sequence, (x, target, weights) in batches(provider):
        y, contexts, found = x, [], {}
        for name, gate in zip(network.names, network, strict=True):
            key = nn.Key((SEED,)).fold(name).fold("alone", epoch, sequence)
            y, context = gate.chain.forward(params[name], y, train=True, key=key)
            contexts.append((name, gate.chain, context))
        given = {} if weights is None else {"weights": weights}
        weight, (_, dy) = loss.total_weight(target, weights), loss(y, target, **given)
        for name, chain, context in reversed(contexts):
            dy, found[name] = chain.backward(context, dy)
        waiting.append((float(weight), found))
        if len(waiting) < many:
            continue
        total = 0.0
        for weight, _ in waiting:  # newer Pythons' sum is more exact than a gate is
            total += weight
        for name, gate in zip(network.names, network, strict=True):
            summed = [g * waiting[0][0] for g in leaves(waiting[0][1][name])]
            for weight, found in waiting[1:]:
                summed = [old + weight * g for old, g in zip(summed, leaves(found[name]), strict=True)]
            its = iter([g / total for g in summed] if many > 1 else leaves(waiting[0][1][name]))
            grads = map_leaves(lambda w, its=its: next(its), params[name])
            now = params[name]
            params[name], states[name] = gate.optimizer.update(grads, states[name], now, stale_params=now)
        waiting = []
    return params


def weighted_images():
    rng = np.random.default_rng(5)
    x, labels = rng.integers(0, 256, (220, 12)).astype(np.uint8), rng.integers(0, 3, 220)
    return data.arrays(x, labels, weights=rng.uniform(0.0, 3.0, 220), seed=2)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("many", [1, 2, 3, 7])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_with_one_credit_it_is_a_loop_with_accumulation_bit_for_bit(optimizer, many, weighted):
    network, loss = deep_network(optimizer, accumulate=many, dtype="float64"), nn.SoftmaxCrossEntropy()
    provider = weighted_images() if weighted else images(loss)
    cluster = SimulatedCluster(network, seed=SEED)
    plan = {"batch_size": BATCH_SIZE, "concurrency": 1, "loss": loss, "scores": [], "epochs": EPOCHS}
    cluster.attach("alone", Sentinel.train(provider, **plan))
    cluster.run(cluster.finished)
    number = len(list(batches(provider)))
    assert {gate.versions.present.number for gate in cluster.gates} == {number}
    assert {gate.versions.present.updates for gate in cluster.gates} == {number // many}
    given = {gate.name: gate.versions.present.params for gate in cluster.gates}
    assert all_bits(given) == all_bits(accumulating_loop(network, provider, loss, many))
    assert all_bits(given) != all_bits(accumulating_loop(network, provider, loss, many + 1))


def halfway(optimizer):
    bench = Bench(nn.Linear(4, 5) >> nn.BatchNorm1d(5) >> nn.Tanh() >> nn.Linear(5, 3), optimizer, accumulate=3)
    bench.forward(1)
    for sequence in (0, 2, 3, 4):
        bench.round(sequence)
    assert (bench.version.updates, bench.version.accumulation.batches) == (1, 1)
    bench.backward(1)
    return bench


def ended(bench):
    for sequence in range(5, 10):
        bench.round(sequence)
    version = bench.version
    return bits(version.params), bits(version.state.slots), version.updates, version.samples, bench.number


def heir_of(bench, version=None):
    heir = Bench(bench.behavior.gate.layers, bench.behavior.gate.optimizer, accumulate=3)
    if version is None:
        heir.behavior.import_state(pickle.loads(pickle.dumps(bench.behavior.export_state())))
    else:
        heir.behavior.versions.present = version
    return heir


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_move_between_two_halves_of_an_accumulation_loses_nothing(optimizer):
    assert ended(heir_of(halfway(optimizer))) == ended(halfway(optimizer))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_snapshot_between_two_halves_of_an_accumulation_loses_nothing(optimizer, tmp_path):
    bench, policy = halfway(optimizer), SnapshotPolicy(str(tmp_path))
    snapshots = GateSnapshots(policy, "g7", 1, on_failure=lambda event, text: None)
    snapshots.begin()
    snapshots.close(bench.version, PATIENCE)
    restored = load_version(policy, "g7", heir_of(bench).version)
    assert restored.accumulation.batches == 2
    assert ended(heir_of(bench, restored)) == ended(halfway(optimizer))


def test_what_was_accumulated_is_no_part_of_other_parameters():
    bench = halfway(optim.SGD(0.1))
    version = bench.version
    bench.behavior.replace(*bench.behavior.versions.prepare(version.params))
    assert bench.version.accumulation is None
    bench.behavior.rewind(version, 0.5)
    assert bench.version.accumulation is None


def test_a_repeated_batch_is_accumulated_once():
    bench = Bench(accumulate=3)
    bench.round(0)
    bench.round(0, attempt=2)
    bench.round(1)
    assert (bench.version.updates, bench.version.accumulation.batches) == (0, 2)
    assert bench.dropped == {"second update of a batch": 1}


@pytest.mark.parametrize("many", [1, 2, 5, 7])
def test_a_report_counts_the_updates_that_there_were_at_the_end_of_its_pass(many):
    cluster = SimulatedCluster(deep_network(optim.SGD(0.05), accumulate=many))
    provider = images(nn.SoftmaxCrossEntropy())
    cluster.attach("alone", Sentinel.train(provider, batch_size=40, concurrency=1, scores=[], epochs=3))
    cluster.run(cluster.finished)
    assert [report.updates for report in cluster.reports["alone"]] == [6 * epoch // many for epoch in (1, 2, 3)]


class _Counting:
    """The largest number of versions, and all delays, of a cluster."""

    def __init__(self, cluster):
        self.cluster, self.versions = cluster, 0

    def look(self):
        self.versions = max(self.versions, *(gate.held_versions for gate in self.cluster.gates))

    @property
    def delays(self):
        return {delay for gate in self.cluster.gates for delay in gate.counts.delays}


@pytest.mark.parametrize(("many", "updates", "versions"), [(4, 1, 2), (8, 1, 2), (1, 3, 4)])
def test_with_as_many_batches_as_are_in_flight_the_delay_is_one_update_and_two_versions_are_held(
    many, updates, versions
):
    cluster = SimulatedCluster(deep_network(optim.SGD(0.05), accumulate=many), pace=lambda: 0.01)
    found = _Counting(cluster)
    provider = images(nn.SoftmaxCrossEntropy())
    cluster.attach("alone", Sentinel.train(provider, batch_size=4, concurrency=4, scores=[], epochs=1))
    cluster.run(cluster.finished, law=found.look)
    assert (max(found.delays), found.versions) == (updates, versions)


def test_several_sentinels_accumulate_together():
    cluster = SimulatedCluster(three_gates(), pace=lambda: 0.01)
    for gate in cluster.gates:
        object.__setattr__(gate.gate, "accumulate", 5)
    for name in ("one", "two", "three"):
        plan = {"batch_size": 40, "concurrency": 2, "scores": [], "epochs": 1, "loss": nn.SoftmaxCrossEntropy()}
        x = np.random.default_rng(1).normal(size=(240, 784)).astype(np.float32)
        cluster.attach(name, Sentinel.train(data.arrays(x, np.arange(240) % 10), **plan))
    cluster.run(cluster.finished)
    for gate in cluster.gates:
        version = gate.versions.present
        assert (version.number, version.updates, version.accumulation.batches) == (18, 3, 3)
        assert (version.samples, gate.counts.updates, gate.counts.batches) == (720, 3, 18)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "two", True])
def test_a_gate_accumulates_a_whole_number_of_batches(wrong):
    with pytest.raises(SpecError, match="accumulate"):
        Gate(nn.Linear(2, 2), optim.SGD(0.1), accumulate=wrong)
