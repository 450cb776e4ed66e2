"""The network of an estimator: a perceptron where it was given none, else the given one, checked."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from akkordeon_dask import nn, optim
from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import ShapeError, SpecError
from akkordeon_dask.network import Gate, Network

__all__ = ["dtype_for", "made_network", "perceptron"]


def made_network(
    network: Network | None,
    features: int,
    outputs: int,
    *,
    hidden: Sequence[int] | int,
    optimizer: Callable[[float], optim.Optimizer],
    lr: float,
    dtype: str,
) -> Network:
    """The network to train; the keywords are for the perceptron that is made where `network` is None.

    Raises
    ------
    SpecError
        when `network` is none; when `optimizer` makes none.
    ShapeError
        when `network` has another number of outputs.
    """
    if network is not None:
        _check_network(network, features, outputs)
        return network.named()
    _check_optimizer(optimizer)
    return perceptron(features, hidden, outputs, lambda: optimizer(lr), dtype).named()


def perceptron(
    features: int, hidden: Sequence[int] | int, outputs: int, optimizer: Callable[[], optim.Optimizer], dtype: str
) -> Network:
    """Affine layers with rectifiers between them, a gate each."""
    label = "each of hidden_layer_sizes"
    plain = hidden.tolist() if isinstance(hidden, np.ndarray) else hidden
    widths = plain if isinstance(plain, Iterable) else (plain,)
    sizes = [features, *(check_int(label, size, 1) for size in widths), outputs]
    layers: list[nn.Layer] = [nn.Linear(*both) for both in pairwise(sizes)]
    layers = [*(layer >> nn.ReLU() for layer in layers[:-1]), layers[-1]]
    return Network(Gate(layer, optimizer(), dtype=dtype) for layer in layers)


def dtype_for(network: Any, dtype: str) -> str:
    """The dtype of a network's samples: `dtype`, or `"numeric"`, scikit-learn's name for numbers as they are."""
    return "numeric" if isinstance(network, Network) and _takes_digits(network, dtype) else dtype


def _takes_digits(network: Network, dtype: str) -> bool:
    """Whether a network needs all digits of its samples: it begins with `nn.Scale`, or takes no floating point."""
    front: nn.Layer = network.gates[0].chain
    while isinstance(front, nn.Chain):
        front = front[0]
    try:
        network.check_input(None, np.dtype(dtype))
    except ShapeError:
        return True
    return isinstance(front, nn.Scale)


def _check_network(network: Any, features: int, outputs: int) -> None:
    if not isinstance(network, Network):
        raise SpecError(f"network={network!r:.200} is a {type(network).__name__}: give a Network([Gate(...), ...])")
    shape = network.output_shape((features,))
    if shape is not None and (len(shape) != 1 or shape[0] not in (None, outputs)):
        raise ShapeError(
            f"network={network!r} has outputs of shape {shape} a sample, and y asks for ({outputs},): give the last "
            "layer an output for each class, or column of y; partial_fit(..., classes=...) names classes that y lacks"
        )


def _check_optimizer(optimizer: Any) -> None:
    foreign = isinstance(optimizer, type) and not issubclass(optimizer, optim.Optimizer)
    if foreign or isinstance(optimizer, optim.Optimizer) or not callable(optimizer):
        raise SpecError(
            f"optimizer={optimizer!r}: give a class, or a function of the learning rate, that makes an "
            "optim.Optimizer, optimizer=optim.Adam, lr=0.001"
        )
