"""What is measured: networks, and where they run."""

from dataclasses import dataclass
from functools import reduce

from akkordeon_dask import Gate, Network, nn, optim

__all__ = ["ROWS", "Row"]


@dataclass(frozen=True)
class Row:
    """A network against the loop.

    Parameters
    ----------
    name
        in the table.
    sizes
        of the layers, input first.
    gates
        how many linear layers each gate has.
    batch_size, concurrency
        samples; batches under way.
    workers
        0: one process; else that many worker processes.
    compensated
        DC-ASGD-a on both sides, else plain SGD.
    goal
        ratio to reach, None where none was set.
    epochs
        in each round, on each side.
    """

    name: str
    sizes: tuple[int, ...]
    gates: tuple[int, ...]
    batch_size: int
    concurrency: int
    workers: int = 0
    compensated: bool = False
    goal: float | None = None
    epochs: int = 5

    @property
    def network(self) -> Network:
        """The same arithmetic as `Loop`, cut into gates."""
        linear = [nn.Linear(*pair) for pair in zip(self.sizes, self.sizes[1:], strict=False)]
        layers: list[nn.Layer] = [nn.Scale(33.3, 78.6) >> linear[0], *linear[1:]]
        layers = [layer >> nn.ReLU() for layer in layers[:-1]] + layers[-1:]
        gates, taken = [], 0
        for count in self.gates:
            chain = reduce(lambda a, b: a >> b, layers[taken : taken + count])
            gates.append(Gate(chain, optim.DCASGDa(0.02) if self.compensated else optim.SGD(0.05)))
            taken += count
        return Network(gates)


_SMALL = (784, 50, 20, 10)
_WIDE = (784, 512, 512, 512, 10)

ROWS = (
    Row("784-50-20-10, one process, SGD", _SMALL, (1, 1, 1), 1024, 8, goal=1.0),
    Row("784-50-20-10, one process, DCASGDa", _SMALL, (1, 1, 1), 1024, 8, compensated=True),
    Row("784-512-512-512-10, one process, SGD", _WIDE, (1, 1, 2), 256, 6, goal=0.95, epochs=1),
    Row("784-512-512-512-10, one process, DCASGDa", _WIDE, (1, 1, 2), 256, 6, compensated=True, epochs=1),
    Row("784-50-20-10, two workers, SGD", _SMALL, (1, 1, 1), 1024, 8, workers=2, goal=0.5),
    Row("784-50-20-10, two workers, DCASGDa", _SMALL, (1, 1, 1), 1024, 8, workers=2, compensated=True),
)
