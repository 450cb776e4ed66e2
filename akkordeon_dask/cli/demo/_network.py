"""The network that `demo` trains."""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import rshift

from akkordeon_dask import nn, optim
from akkordeon_dask.cli.demo import _defaults
from akkordeon_dask.network import Gate, Network

__all__ = ["OPTIMIZERS", "demo_network"]

OPTIMIZERS: dict[str, Callable[[optim.Schedule], optim.Optimizer]] = {
    "sgd": optim.SGD,
    "momentum": lambda lr: optim.SGD(lr, momentum=0.9),
    "nesterov": lambda lr: optim.SGD(lr, momentum=0.9, nesterov=True),
    "adam": optim.Adam,
    "dcasgd": optim.DCASGD,
    "dcasgda": optim.DCASGDa,
}
"""The optimizers by their names on the command line."""


def demo_network(
    sizes: Sequence[int], optimizer: str, lr: Sequence[float], dropout: Sequence[float], updates: int
) -> Network:
    """One gate for each linear layer.

    Parameters
    ----------
    sizes
        features in front of the first gate and behind each one, `(784, 50, 20, 10)`: one more than gates.
    optimizer
        of every gate, a name in `OPTIMIZERS`.
    lr
        each gate's learning rate at its top.
    dropout
        the share that each gate but the last drops; 0: it has no such layer.
    updates
        that a gate is expected to make in all: the schedule's length.
    """
    last = len(sizes) - 2
    gates = []
    for place in range(last + 1):
        layers: list[nn.Layer] = [nn.Scale(_defaults.MEAN, _defaults.STD)] if place == 0 else []
        layers.append(nn.Linear(sizes[place], sizes[place + 1]))
        if place < last:
            layers.append(nn.ReLU())
            if dropout[place]:
                layers.append(nn.Dropout(dropout[place]))
        gates.append(Gate(reduce(rshift, layers), OPTIMIZERS[optimizer](_schedule(lr[place], updates))))
    return Network(gates)


def _schedule(lr: float, updates: int) -> optim.Schedule:
    rise = max(1, round(updates * _defaults.SCHEDULE_WARM_UP))
    return optim.WarmUp(rise, optim.Cosine(lr, max(1, updates - rise)))
