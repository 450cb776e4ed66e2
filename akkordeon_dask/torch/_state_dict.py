"""Parameters of gates as the state of a module."""

from collections.abc import Iterator

import torch

from akkordeon_dask.errors import SpecError
from akkordeon_dask.memory import copied
from akkordeon_dask.network import Network
from akkordeon_dask.torch._tensors import as_tensor
from akkordeon_dask.tree import Tree, paths

__all__ = ["state_dict"]


def state_dict(network: Network, parameters: dict[str, Tree]) -> dict[str, torch.Tensor]:
    """The parameters and buffers of the torch modules of a network, for `module.load_state_dict`.

    Parameters
    ----------
    network
        its specs say which names tied tensors have.
    parameters
        by gate, as `running.parameters()` and `network.init(seed)` return them.

    Raises
    ------
    SpecError
        two modules have a tensor of one name: take a part of the network, `state_dict(network[:1], parameters)`, where
        they are in two gates.

    Examples
    --------
    >>> import torch
    >>> from akkordeon_dask import Gate, Network, optim
    >>> from akkordeon_dask.torch import TorchModule, state_dict
    >>> network = Network([Gate(TorchModule(torch.nn.Linear, 4, 2), optim.SGD(0.1))])
    >>> torch.nn.Linear(4, 2).load_state_dict(state_dict(network, network.init(0)))
    <All keys matched successfully>
    """
    found: dict[str, torch.Tensor] = {}
    owner: dict[str, str] = {}
    for gate, name, tensor in _named(network, parameters):
        if owner.setdefault(name, gate) != gate:
            raise SpecError(f"two modules of {network!r:.200} have a tensor {name!r}: take one gate, network[:1]")
        if name in found:
            raise SpecError(
                f"two modules of gate {gate!r} have a tensor {name!r}: name them apart, as "
                "torch.nn.Sequential(OrderedDict(first=module)) does, or make one module of both"
            )
        found[name] = tensor
    return found


def _named(network: Network, parameters: dict[str, Tree]) -> Iterator[tuple[str, str, torch.Tensor]]:
    """The gate and the name of each tensor, tied ones by each name."""
    for gate_name, gate in zip(network.names, network.gates, strict=True):
        for path, leaf in paths(parameters[gate_name]):
            tensor = as_tensor(copied(leaf))
            for name in gate.chain.parameter_names(path):
                yield gate_name, name, tensor
