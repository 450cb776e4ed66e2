"""Groups of gates that go to one worker, as they asked to be beside one another."""

from dataclasses import dataclass

import numpy as np

from akkordeon_dask.errors import SpecError
from akkordeon_dask.network import Beside, Gate, Network, Resources

__all__ = ["ColocationGroup", "colocation_groups", "training_costs"]


@dataclass(frozen=True)
class ColocationGroup:
    """A gate and those that follow it to its worker."""

    positions: tuple[int, ...]
    """In the network: first the gate that the others follow."""
    requested_worker: str | None
    resources: Resources
    """All of them together."""
    cost: float
    nbytes: int
    """Of all their parameters, as far as they are known."""


def colocation_groups(network: Network) -> list[ColocationGroup]:
    """All gates, each in one group.

    Raises
    ------
    SpecError
        when a gate is to be beside one that the network does not have, or gates are beside one another in a circle.
    """
    names, costs = network.names, training_costs(network)
    for name, gate in zip(names, network, strict=True):
        if isinstance(gate.workers, Beside) and gate.workers.gate not in names:
            raise SpecError(
                f"gate {name!r} shall be beside gate {gate.workers.gate!r}, the network has {', '.join(names)}: "
                "write the name of one of them"
            )
    network = network.named()  # which checks for circles
    followers: dict[int, list[int]] = {}
    for position in range(len(network)):
        followers.setdefault(_leader(network, position), []).append(position)
    return [_group(network, leader, positions, costs) for leader, positions in followers.items()]


def _leader(network: Network, position: int) -> int:
    while isinstance(workers := network[position].workers, Beside):
        position = network.names.index(workers.gate)
    return position


def _group(network: Network, leader: int, positions: list[int], costs: list[float]) -> ColocationGroup:
    requested = network[leader].workers
    assert not isinstance(requested, Beside)
    resources = Resources.total(Resources.from_mapping(network[position].resources) for position in positions)
    ordered = (leader, *(position for position in positions if position != leader))
    nbytes = sum(_nbytes(network[position]) for position in positions)
    return ColocationGroup(ordered, requested, resources, sum(costs[position] for position in positions), nbytes)


def _nbytes(gate: Gate) -> int:
    """The bytes of its parameters, as far as they are known without making them: that is done on its worker."""
    return gate.chain.known_parameter_count * np.dtype(gate.dtype).itemsize


def training_costs(network: Network) -> list[float]:
    """Cost of a training sample at each gate: forward, gradient of parameters, and of the input but in the first."""
    return [cost * (2 if position == 0 else 3) for position, cost in enumerate(network.multiply_adds())]
