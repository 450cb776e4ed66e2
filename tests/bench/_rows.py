"""The rows of the measurements: networks, and where they run."""

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from akkordeon_dask import Gate, Network, nn, optim
from tests.bench._layer_loop import LayerLoop
from tests.bench._loop import Loop


@dataclass(frozen=True)
class Dense:
    """A dense network, cut into gates.

    Parameters
    ----------
    sizes
        of the layers, input first.
    gates
        how many linear layers each gate has.
    compensated
        DC-ASGD-a on both sides, else plain SGD.
    lr
        learning rate of plain SGD: many gates have long delays, and diverge where it is large.
    """

    sizes: tuple[int, ...]
    gates: tuple[int, ...]
    compensated: bool = False
    lr: float = 0.05

    def network(self) -> Network:
        """The same arithmetic as `Loop`."""
        linear = [nn.Linear(*both) for both in pairwise(self.sizes)]
        layers: list[nn.Layer] = [nn.Scale(33.3, 78.6) >> linear[0], *linear[1:]]
        layers = [layer >> nn.ReLU() for layer in layers[:-1]] + layers[-1:]
        gates, taken = [], 0
        for count in self.gates:
            chain = reduce(lambda a, b: a >> b, layers[taken : taken + count])
            gates.append(Gate(chain, optim.DCASGDa(0.02) if self.compensated else optim.SGD(self.lr)))
            taken += count
        return Network(gates)

    def loop(self, x: np.ndarray, y: np.ndarray, batch_size: int) -> Loop:
        """The peer."""
        return Loop(x, y, self.sizes, batch_size, lr=self.lr, compensated=self.compensated)


@dataclass(frozen=True)
class LeNet:
    """LeCun et al.'s network in three gates, with rectifiers and greatest pixels in the place of what they had."""

    def network(self) -> Network:
        """28 x 28 bytes to 10 logits."""
        images = nn.Reshape((1, 28, 28)) >> nn.Scale(33.3, 78.6)
        first = images >> nn.Conv2d(1, 6, 5, padding=2) >> nn.ReLU() >> nn.MaxPool2d(2)
        second = nn.Conv2d(6, 16, 5) >> nn.ReLU() >> nn.MaxPool2d(2) >> nn.Flatten()
        dense = nn.Linear(400, 120) >> nn.ReLU() >> nn.Linear(120, 84) >> nn.ReLU() >> nn.Linear(84, 10)
        return Network(Gate(chain, optim.SGD(0.02, momentum=0.9)) for chain in (first, second, dense))

    def loop(self, x: np.ndarray, y: np.ndarray, batch_size: int) -> LayerLoop:
        """The peer: the same layers."""
        return LayerLoop(x, y, self.network(), batch_size)


@dataclass(frozen=True)
class Row:
    """A network against its peers.

    Parameters
    ----------
    name
        in the table.
    model
        says what the network is, and its peers.
    batch_size, concurrency
        samples; batches under way.
    workers
        0: one process; else that many worker processes.
    goal
        ratio to the loop to reach, None where none was set.
    samples
        of a pass; a round has as many passes as fit.
    sentinel_at
        the gate whose worker is the sentinel's; None: the first one's.
    """

    name: str
    model: Dense | LeNet
    batch_size: int
    concurrency: int
    workers: int = 0
    goal: float | None = None
    samples: int = 60_000
    sentinel_at: str | None = None

    @property
    def network(self) -> Network:
        """The network to deploy."""
        return self.model.network()


SMALL, SMALL_DC = (Dense((784, 50, 20, 10), (1, 1, 1), compensated) for compensated in (False, True))
WIDE, WIDE_DC = (Dense((784, 512, 512, 512, 10), (1, 1, 2), compensated) for compensated in (False, True))
DEEP = Dense((784, *15 * (50,), 10), 16 * (1,), lr=0.001)

ROWS = (
    Row("784-50-20-10, batch 128, one process, SGD", SMALL, 128, 8, goal=0.65),
    Row("784-50-20-10, batch 128, one process, DCASGDa", SMALL_DC, 128, 8, goal=0.6),
    Row("784-50-20-10, batch 1024, one process, SGD", SMALL, 1024, 8, goal=1.2),
    Row("784-50-20-10, batch 1024, one process, DCASGDa", SMALL_DC, 1024, 8, goal=1.15),
    Row("784-512-512-512-10, batch 256, one process, SGD", WIDE, 256, 6, goal=1.1, samples=20_480),
    Row("784-512-512-512-10, batch 256, one process, DCASGDa", WIDE_DC, 256, 6, goal=1.05, samples=20_480),
    Row("LeNet, batch 128, one process", LeNet(), 128, 4, goal=1.6, samples=10_240),
    Row("16 small gates, batch 128, one process", DEEP, 128, 16),
    Row("784-50-20-10, batch 128, two workers, SGD", SMALL, 128, 8, workers=2, goal=0.55),
    Row("784-50-20-10, batch 1024, two workers, SGD", SMALL, 1024, 8, workers=2, goal=0.9),
    Row("784-50-20-10, batch 1024, two workers, DCASGDa", SMALL_DC, 1024, 8, workers=2),
    Row("784-50-20-10, batch 128, two workers, sentinel at g2", SMALL, 128, 8, workers=2, sentinel_at="g2"),
    Row("784-50-20-10, batch 1024, two workers, sentinel at g2", SMALL, 1024, 8, workers=2, sentinel_at="g2"),
    Row("LeNet, batch 128, two workers", LeNet(), 128, 4, workers=2, samples=10_240),
)


def row_named(name: str) -> Row:
    """The row of this name."""
    return next(row for row in ROWS if row.name == name)
