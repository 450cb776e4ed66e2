"""The network of an estimator that was given none."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from akkordeon_dask import nn, optim
from akkordeon_dask._numbers import check_int
from akkordeon_dask.network import Gate, Network

__all__ = ["perceptron"]


def perceptron(
    features: int, hidden: Sequence[int] | int, outputs: int, optimizer: Callable[[], optim.Optimizer], dtype: str
) -> Network:
    """Affine layers with rectifiers between them, a gate each."""
    label = "each of hidden_layer_sizes"
    widths = hidden if isinstance(hidden, Iterable) else (hidden,)
    sizes = [features, *(check_int(label, size, 1) for size in widths), outputs]
    layers: list[nn.Layer] = [nn.Linear(*both) for both in pairwise(sizes)]
    layers = [*(layer >> nn.ReLU() for layer in layers[:-1]), layers[-1]]
    return Network(Gate(layer, optimizer(), dtype=dtype) for layer in layers)
