"""Promise 1 without a cluster: one training sentinel with one credit is the plain loop of `tests/_reference.py`."""

import dataclasses
import itertools

import numpy as np
import pytest

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask.tree import leaves
from tests.support.sequential_trainer import train_sequentially
from tests.support.simulated_cluster import SimulatedCluster

OPTIMIZERS = [
    optim.SGD(0.1),
    optim.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    optim.Adam(0.01, weight_decay=1e-3),
    optim.DCASGD(0.1, lam=0.5),
    optim.DCASGDa(0.1),
    optim.DCASGDa(optim.WarmUp(5, optim.Cosine(0.1, 40))),
]
LOSSES = [nn.SoftmaxCrossEntropy(), nn.MeanSquaredError(), nn.BinaryCrossEntropyWithLogits()]
EPOCHS, BATCH_SIZE, SEED = 3, 40, 11


def deep_network(optimizer, **policies):
    """Four gates with every layer that draws or changes something."""
    pieces = [
        nn.Scale(mean=128.0, std=64.0) >> nn.Linear(12, 9) >> nn.ReLU() >> nn.Dropout(0.2),
        nn.DropConnect(9, 8, 0.3) >> nn.GELU(),
        nn.Linear(8, 7) >> nn.Tanh() >> nn.Dropout(0.1) >> nn.Linear(7, 6) >> nn.LeakyReLU() >> nn.Dropout(0.1),
        nn.Linear(6, 3),
    ]
    first, *rest = [Gate(piece, optimizer, **policies) for piece in pieces]
    for gate in rest:
        first = first | gate
    return first


def images(loss, samples=220):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, samples)
    targets = labels if isinstance(loss, nn.SoftmaxCrossEntropy) else np.eye(3, dtype=np.float32)[labels]
    return data.arrays(rng.integers(0, 256, (samples, 12)).astype(np.uint8), targets, seed=2)


def trained(network, loss, *, concurrency=1, seed=SEED, cluster=SimulatedCluster, **options):
    """The gates' parameters after the epochs, over the simulated cluster."""
    cluster = cluster(network, seed=seed, **options)
    plan = {"batch_size": BATCH_SIZE, "concurrency": concurrency, "loss": loss, "scores": [], "epochs": EPOCHS}
    cluster.attach("alone", Sentinel.train(images(loss), **plan))
    cluster.run(cluster.finished)
    assert len(cluster.reports["alone"]) == EPOCHS
    return {gate.name: gate.versions.present.params for gate in cluster.gates}


def reference(network, loss, *, seed=SEED, sentinel="alone"):
    plan = {"loss": loss, "batch_size": BATCH_SIZE, "epochs": EPOCHS, "seed": seed, "sentinel": sentinel}
    return train_sequentially(network, images(loss), **plan)


def bits(params):
    return {name: [(leaf.dtype, leaf.tobytes()) for leaf in leaves(tree)] for name, tree in params.items()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_promise_1_training_equals_a_sequential_loop_bit_for_bit_with_every_optimizer(optimizer):
    network, loss = deep_network(optimizer), LOSSES[0]
    given = bits(trained(network, loss))
    assert given == bits(reference(network, loss))
    assert given != bits(network.init(SEED))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("policies", [{"backward": "latest"}, {"max_delay": 0}, {"dtype": "float64"}], ids=repr)
def test_promise_1_bit_for_bit_by_every_loss_policy_and_dtype(loss, policies):
    network = deep_network(optim.DCASGDa(0.05), **policies)
    assert bits(trained(network, loss)) == bits(reference(network, loss))


@pytest.mark.parametrize("wire", ["float16", "bfloat16"])
def test_promise_1_bit_for_bit_where_gates_send_half_the_bytes(wire):
    network, loss = deep_network(optim.DCASGDa(0.05), wire=wire), LOSSES[0]
    given = bits(trained(network, loss))
    assert given == bits(reference(network, loss))
    assert given != bits(trained(deep_network(optim.DCASGDa(0.05)), loss))


def test_the_first_gate_counts_half_the_bytes_of_its_activations():
    def sent(wire):
        cluster = SimulatedCluster(deep_network(optim.SGD(0.1), wire=wire), seed=SEED)
        cluster.attach("alone", Sentinel.train(images(LOSSES[0]), batch_size=BATCH_SIZE, epochs=1))
        cluster.run(cluster.finished)
        return cluster.gates[0].counts.nbytes_out

    assert sent(None) == 2 * sent("bfloat16") == 2 * sent("float16") == 220 * 9 * 4


def test_promise_1_bit_for_bit_with_helpers_too():
    network, loss = deep_network(optim.DCASGDa(0.05)), LOSSES[0]
    assert bits(trained(network, loss, help=lambda: 0.01)) == bits(reference(network, loss))


def test_promise_1_bit_for_bit_though_every_message_comes_twice():
    network, loss = deep_network(optim.DCASGDa(0.05)), LOSSES[0]
    assert bits(trained(network, loss, fate=lambda message: (0.0, 0.01, 3.0))) == bits(reference(network, loss))


class _OffTheGrid(SimulatedCluster):
    """Arrays arrive as from a socket: where they begin, their dtype cannot."""

    def send(self, to, message):
        for field in ("x", "dy"):
            if getattr(message, field, None) is not None:
                message = dataclasses.replace(message, **{field: _off_the_grid(getattr(message, field))})
        super().send(to, message)


def _off_the_grid(array):
    buffer = np.empty(array.nbytes + 1, np.uint8)
    moved = buffer[1:].view(array.dtype).reshape(array.shape)
    np.copyto(moved, array)
    return moved


def test_promise_1_bit_for_bit_though_arrays_arrive_off_their_grid():
    network, loss = deep_network(optim.DCASGDa(0.05)), LOSSES[0]
    assert bits(trained(network, loss, cluster=_OffTheGrid)) == bits(reference(network, loss))


@pytest.mark.parametrize("other", [{"seed": SEED + 1}, {"sentinel": "another"}], ids=repr)
def test_the_comparison_can_fail(other):
    network, loss = deep_network(optim.SGD(0.1)), LOSSES[0]
    assert bits(reference(network, loss)) != bits(reference(network, loss, **other))


def test_with_more_credits_gradients_are_late_and_the_bits_are_others():
    network, loss = deep_network(optim.SGD(0.1)), LOSSES[0]
    assert bits(trained(network, loss, concurrency=4)) != bits(reference(network, loss))


@pytest.mark.parametrize("moment", range(0, 24, 2))
def test_promise_1_a_machine_that_stands_still_meanwhile_changes_no_bit(moment):
    """Longer than a batch's deadline and than gates keep a context for, in the middle of each step of a batch."""
    network = deep_network(optim.SGD(0.1))

    class StandingStill(SimulatedCluster):
        def run(self, until):
            events = itertools.count()
            super().run(until, law=lambda: self.stand_still(100.0) if next(events) == 100 + moment else None)

    found = trained(network, LOSSES[0], cluster=StandingStill, pace=lambda: 0.001)
    assert bits(found) == bits(reference(network, LOSSES[0]))
