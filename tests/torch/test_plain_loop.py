"""One training sentinel with one credit is a plain loop in torch with the same modules."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn as tnn

from akkordeon_dask import Gate, Sentinel, data, nn, optim
from akkordeon_dask.torch import TorchModule, TorchOptimizer, state_dict, torch_seed
from tests.support.simulated_cluster import SimulatedCluster
from tests.torch.modules import Tied, block

EPOCHS, BATCH_SIZE, SEED = 3, 16, 11


class Plain:
    """The loop of a user of torch: modules one after the other, of which each has an optimizer."""

    def __init__(self, network, step):
        self.names = network.names
        self.modules = [gate.chain.layers[0].factory(*gate.chain.layers[0].args) for gate in network.gates]
        for position, module in enumerate(self.modules):
            module.load_state_dict(state_dict(network[position : position + 1], named(network, position)))
        self.step = step(self.modules)

    def train(self, provider, loss, sentinel):
        source, sequence = provider.open(), 0
        for epoch in range(1, EPOCHS + 1):
            for x, target in source.batches(epoch, BATCH_SIZE):
                y = torch.from_numpy(np.array(x))
                for name, module in zip(self.names, self.modules, strict=True):
                    torch.manual_seed(torch_seed(nn.Key((SEED,)).fold(name, sentinel, epoch, sequence, 0)))
                    y = module(y)
                _, dy = loss(y.detach().numpy(), target)
                y.backward(torch.from_numpy(dy))
                self.step()
                sequence += 1
        source.close()
        return [module.state_dict() for module in self.modules]


def named(network, position):
    """The initial parameters, of a network that is cut out of another one, by the name of its gate there."""
    name = network.names[position]
    return {network[position : position + 1].names[0]: network.init(SEED)[name]}


def sgd(lr):
    """Ours, written in torch."""

    def make(modules):
        parameters = [its for module in modules for its in module.parameters()]

        def step():
            with torch.no_grad():
                for its in parameters:
                    its.copy_(its.grad * -lr + its)
                    its.grad = None

        return step

    return make


def of_torch(kind, **options):
    def make(modules):
        optimizers = [kind(module.parameters(), **options) for module in modules]

        def step():
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()

        return step

    return make


def head(*sizes):
    """A classifier behind images."""
    return tnn.Sequential(tnn.Flatten(), tnn.Dropout(0.2), tnn.Linear(*sizes))


def images():
    rng = np.random.default_rng(5)
    return data.arrays(rng.normal(size=(100, 2, 6, 6)).astype(np.float32), rng.integers(0, 3, 100), seed=2)


def words():
    rng = np.random.default_rng(5)
    return data.arrays(rng.integers(0, 7, (100, 4)), rng.integers(0, 3, 100), seed=2)


def image_network(optimizer, *, bias=True):
    return Gate(TorchModule(block, 2, 0.3, bias), optimizer, name="a") | Gate(
        TorchModule(head, 36, 3), optimizer, name="b"
    )


def trained(network, provider, *, concurrency=1, **options):
    """The states of the gates' modules after the epochs, over the simulated cluster."""
    cluster = SimulatedCluster(network, seed=SEED, **options)
    plan = {"batch_size": BATCH_SIZE, "concurrency": concurrency, "scores": [], "epochs": EPOCHS}
    cluster.attach("alone", Sentinel.train(provider, loss=nn.SoftmaxCrossEntropy(), **plan))
    cluster.run(cluster.finished)
    params = {gate.name: gate.versions.present.params for gate in cluster.gates}
    return [state_dict(network[n : n + 1], params) for n in range(len(network))]


def plain(network, provider, step, sentinel="alone"):
    return Plain(network, step).train(provider, nn.SoftmaxCrossEntropy(), sentinel)


def bits(states):
    return [{name: (its.dtype, its.numpy().tobytes()) for name, its in sorted(state.items())} for state in states]


@pytest.mark.parametrize("help", [lambda: None, lambda: 0.01], ids=["alone", "with helpers"])
def test_with_our_sgd_it_is_the_plain_loop_bit_for_bit_with_batch_norm_and_dropout(help):
    network = image_network(optim.SGD(0.05))
    expected = bits(plain(network, images(), sgd(0.05)))
    assert bits(trained(network, images(), help=help)) == expected
    assert bits(plain(network, images(), sgd(0.05), "another")) != expected, "the comparison can fail"


def test_every_message_twice_changes_no_bit():
    network = image_network(optim.SGD(0.05))
    assert bits(trained(network, images(), fate=lambda message: (0.0, 0.01, 3.0))) == bits(
        plain(network, images(), sgd(0.05))
    )


@pytest.mark.parametrize(
    ("kind", "options"),
    [(torch.optim.AdamW, {"lr": 1e-2}), (torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True})],
    ids=["AdamW", "SGD"],
)
def test_with_an_optimizer_of_torch_it_is_the_plain_loop_bit_for_bit(kind, options):
    network = image_network(TorchOptimizer(kind, **options))
    assert bits(trained(network, images())) == bits(plain(network, images(), of_torch(kind, **options)))


def test_with_our_adamw_it_is_the_plain_loop_but_for_rounding():
    # The gradient of a bias in front of batch norm is rounding alone, which Adam makes steps of.
    network = image_network(optim.Adam(1e-3, weight_decay=0.01, decay_all=True), bias=False)
    expected = plain(network, images(), of_torch(torch.optim.AdamW, lr=1e-3, weight_decay=0.01))
    for state, its in zip(trained(network, images()), expected, strict=True):
        for name, tensor in state.items():
            assert_allclose(tensor.numpy(), its[name].numpy(), rtol=1e-6, atol=1e-6, err_msg=name)


def word_network(optimizer):
    return Gate(TorchModule(Tied, 7, 4), optimizer, name="a") | Gate(TorchModule(head, 28, 3), optimizer, name="b")


def test_tied_words_are_the_plain_loop_bit_for_bit():
    network = word_network(optim.SGD(0.05))
    assert bits(trained(network, words())) == bits(plain(network, words(), sgd(0.05)))


def test_with_more_credits_gradients_are_late_and_the_running_statistics_count_each_update_once():
    network = image_network(optim.SGD(0.05))
    states = trained(network, images(), concurrency=4)
    assert bits(states) != bits(plain(network, images(), sgd(0.05)))
    assert states[0]["1.num_batches_tracked"] == EPOCHS * -(-100 // BATCH_SIZE)
    assert all(torch.isfinite(its).all() for state in states for its in state.values())
