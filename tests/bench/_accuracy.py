"""The accuracy of the demo's network, through the actors and in a sequential loop with the same settings."""

import time

import numpy as np

from akkordeon_dask import Network, Sentinel, data, deploy, nn
from akkordeon_dask.cli.demo import _defaults
from akkordeon_dask.cli.demo._network import demo_network
from tests.support.sequential_trainer import train_sequentially

BATCH_SIZE, LEARNING_RATE = 64, 5e-2


def accuracy(sizes: tuple[int, ...], lr: float, dropout: float, epochs: int, seed: int) -> tuple[float, float]:
    """Test accuracy on the full MNIST, of the actors (two training sentinels, concurrency 5) and of the loop."""
    updates = epochs * -(-60_000 // BATCH_SIZE)
    gates = len(sizes) - 1
    network = demo_network(sizes, _defaults.OPTIMIZER, [lr] * gates, [dropout] * gates, updates)
    return _actors(network, epochs, seed), _loop(network, epochs, seed)


def _actors(network: Network, epochs: int, seed: int) -> float:
    with deploy(network, seed=seed) as running:
        for shard in range(2):
            provider = data.mnist("train", shard=(shard, 2), seed=seed)
            running.attach(Sentinel.train(provider, batch_size=BATCH_SIZE, concurrency=5, epochs=epochs))
        running.attach(Sentinel.validate(data.mnist("test"), batch_size=1000, every="2s"))
        begun = time.perf_counter()
        running.wait()
        seconds = time.perf_counter() - begun
        report = running.evaluate(Sentinel.test(data.mnist("test"), batch_size=1000))
        delays = running.statistics()["g0"].counts.delays
    mean = sum(delay * count for delay, count in delays.items()) / sum(delays.values())
    print(f"  actors: {seconds:.1f} s, gradients of g0 late by {mean:.2f} updates in the mean, {max(delays)} at most")
    return float(report.scores["accuracy"])


def _loop(network: Network, epochs: int, seed: int) -> float:
    params = train_sequentially(
        network,
        data.mnist("train", seed=seed),
        loss=nn.SoftmaxCrossEntropy(),
        batch_size=BATCH_SIZE,
        epochs=epochs,
        seed=seed,
        sentinel="train0",
    )
    x, target = next(data.mnist("test").open().batches(1, 10_000))
    y: np.ndarray = x
    for name, gate in zip(network.names, network, strict=True):
        y, _ = gate.chain.forward(params[name], y)
    return float(np.mean(y.argmax(axis=1) == target))
