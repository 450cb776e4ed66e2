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
    "gapaware": lambda lr: optim.GapAware(optim.SGD(lr)),
    "nadam": optim.NAdam,
    "muon": optim.Muon,
}
"""The optimizers by their names on the command line."""


def demo_network(
    sizes: Sequence[int],
    optimizer: str,
    lr: Sequence[float],
    dropout: Sequence[float],
    updates: int,
    accumulate: int = 1,
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
        the rate of dropout behind each gate but the last; 0: no such layer.
    updates
        of a gate in the whole run: the schedule's length.
    accumulate
        batches of an update.
    """
    last = len(sizes) - 2
    gates = []
    for position in range(last + 1):
        layers: list[nn.Layer] = [nn.Scale(_defaults.MEAN, _defaults.STD)] if position == 0 else []
        layers.append(nn.Linear(sizes[position], sizes[position + 1]))
        if position < last:
            layers.append(nn.ReLU())
            if dropout[position]:
                layers.append(nn.Dropout(dropout[position]))
        rule = OPTIMIZERS[optimizer](_schedule(lr[position], updates))
        gates.append(Gate(reduce(rshift, layers), rule, accumulate=accumulate))
    return Network(gates)


def _schedule(lr: float, updates: int) -> optim.Schedule:
    rise = max(1, round(updates * _defaults.SCHEDULE_WARM_UP))
    return optim.WarmUp(rise, optim.Cosine(lr, max(1, updates - rise)))
