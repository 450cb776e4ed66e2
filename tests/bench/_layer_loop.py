"""The peer for networks of any layers: those same layers in a plain sequential loop."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask import Network, nn
from tests.bench._loop import Epochs


@dataclass
class LayerLoop(Epochs):
    """Forward, backward, update, batch after batch; all BLAS threads.

    Parameters
    ----------
    x, y
        all samples, uint8 and integer labels; every epoch gathers them in a new order, as the sentinel does.
    network
        its gates' layers and optimizers.
    batch_size
        samples.
    """

    x: np.ndarray
    y: np.ndarray
    network: Network
    batch_size: int

    def __post_init__(self) -> None:
        self.gates = [(gate.chain, gate.optimizer) for gate in self.network]
        self.params = list(self.network.init(0).values())
        self.states = [gate.init(params) for (_, gate), params in zip(self.gates, self.params, strict=True)]
        self.rng = np.random.default_rng(0)
        self.loss, self.accuracy = nn.SoftmaxCrossEntropy(), nn.Accuracy()

    def step(self, index: np.ndarray) -> None:
        """One batch."""
        y, target = self.x.take(index, axis=0, mode="clip"), self.y[index]
        contexts = []
        for (chain, _), params in zip(self.gates, self.params, strict=True):
            y, context = chain.forward(params, y, train=True)
            contexts.append(context)
        self.last_loss, dy = self.loss(y, target)
        self.correct = self.accuracy(y, target)
        for place in range(len(self.gates) - 1, -1, -1):
            chain, optimizer = self.gates[place]
            now = self.params[place]
            dy, grads = chain.backward(contexts.pop(), dy, need_dx=place > 0)
            self.params[place], self.states[place] = optimizer.update(grads, self.states[place], now, stale_params=now)
