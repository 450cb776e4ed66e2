"""The cost of a network by its definition: operations, and memory of batches in flight."""

from typing import Any

import numpy as np

from akkordeon_dask import Network, nn


def flops(network: Network) -> int:
    """Of training on a sample: two for each multiply-add of products with weights, forward and by weights and input.

    What is not a product with weights is left out, and so is the first layer's gradient by its input.
    """
    costs, shape = [], network.input_shape
    for gate in network:
        for layer in gate.chain:
            shape = shape if shape is not None else layer.input_shape
            if layer.trainable:
                costs.append(layer.multiply_adds(shape))
            shape = layer.output_shape(shape)
    return 2 * (3 * sum(costs) - costs[0])


def in_flight(network: Network, batch_size: int) -> int:
    """Bytes that the gates keep of one batch from its forward to its backward pass, parameters apart."""
    y: Any = np.zeros((batch_size, 784), np.uint8)
    params, contexts = network.init(0), []
    for name, gate in zip(network.names, network, strict=True):
        y, context = gate.chain.forward(params[name], y, train=True, key=nn.Key((0,)))
        contexts.append(context)
    known = {id(_owner(leaf)) for leaf in _arrays(tuple(params.values()))}
    owners = {id(_owner(array)): _owner(array) for array in _arrays(tuple(contexts))}
    return sum(owner.nbytes for key, owner in owners.items() if key not in known)


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _arrays(tree: Any) -> list[np.ndarray]:
    if isinstance(tree, np.ndarray):
        return [tree]
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    return [array for child in tree for array in _arrays(child)] if isinstance(tree, tuple | list) else []
