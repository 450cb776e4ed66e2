"""Which gates of a network go together: those that asked to be beside one another."""

from dataclasses import dataclass

from akkordeon_dask.errors import SpecError
from akkordeon_dask.network import Beside, Network, Resources, check_circles, follow_chain

__all__ = ["ColocationGroup", "colocation_groups", "training_costs"]


@dataclass(frozen=True)
class ColocationGroup:
    """A gate and those that go where it goes."""

    positions: tuple[int, ...]
    """In the network: first the gate that the others follow."""
    requested_worker: str | None
    resources: Resources
    """All of them together."""
    cost: float


def colocation_groups(network: Network) -> list[ColocationGroup]:
    """All gates, each in one party.

    Raises
    ------
    SpecError
        when a gate shall be beside one that is not there, or a circle of gates beside one another.
    """
    names, costs = network.names, training_costs(network)
    for name, gate in zip(names, network, strict=True):
        if isinstance(gate.workers, Beside) and gate.workers.gate not in names:
            raise SpecError(
                f"gate {name!r} shall be beside gate {gate.workers.gate!r}, the network has {', '.join(names)}: "
                "write the name of one of them"
            )
    check_circles(names, network.gates)
    led: dict[int, list[int]] = {}
    for place, name in enumerate(names):
        leader = names.index(follow_chain(name, names, network.gates)[-1])
        led.setdefault(leader, []).append(place)
    return [_party(network, leader, places, costs) for leader, places in led.items()]


def _party(network: Network, leader: int, places: list[int], costs: list[float]) -> ColocationGroup:
    wish = network[leader].workers
    assert not isinstance(wish, Beside)
    asks = Resources.total(Resources.from_mapping(network[place].resources) for place in places)
    ordered = (leader, *(place for place in places if place != leader))
    return ColocationGroup(ordered, wish, asks, sum(costs[place] for place in places))


def training_costs(network: Network) -> list[float]:
    """What a training sample costs each gate: forward, gradient of parameters, and of the input but in the first."""
    return [cost * (2 if place == 0 else 3) for place, cost in enumerate(network.multiply_adds())]
