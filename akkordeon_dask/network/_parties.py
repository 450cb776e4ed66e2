"""Which gates of a network go together: those that asked to be beside one another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from akkordeon_dask.errors import SpecError
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._gate import Gate
from akkordeon_dask.network._resources import Resources

if TYPE_CHECKING:
    from akkordeon_dask.network._network import Network

__all__ = ["Party", "check_circles", "parties", "training_costs"]


@dataclass(frozen=True)
class Party:
    """A gate and those that go where it goes."""

    places: tuple[int, ...]
    """In the network: first the gate that the others follow."""
    wish: str | None
    asks: Resources
    """All of them together."""
    cost: float


def parties(network: "Network") -> list[Party]:
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
        leader = names.index(_followed(name, names, network.gates)[-1])
        led.setdefault(leader, []).append(place)
    return [_party(network, leader, places, costs) for leader, places in led.items()]


def _party(network: "Network", leader: int, places: list[int], costs: list[float]) -> Party:
    wish = network[leader].workers
    assert not isinstance(wish, Beside)
    asks = Resources.total(Resources.told(network[place].resources) for place in places)
    ordered = (leader, *(place for place in places if place != leader))
    return Party(ordered, wish, asks, sum(costs[place] for place in places))


def check_circles(names: Sequence[str | None], gates: Sequence[Gate]) -> None:
    """No gate follows itself; None: a gate without a name yet.

    Raises
    ------
    SpecError
        when one does: names all of the circle.
    """
    for name, gate in zip(names, gates, strict=True):
        if name is None or not isinstance(gate.workers, Beside):
            continue
        path = _followed(name, names, gates)
        if path[-1] == name:
            circle = " beside ".join(map(repr, path))
            raise SpecError(f"gates beside one another in a circle have no place: {circle}: give one of them another")


def _followed(name: str, names: Sequence[str | None], gates: Sequence[Gate]) -> list[str]:
    """The names from `name` along each gate's `beside` to where it ends, or to the first that was there before."""
    by_name = dict(zip(names, gates, strict=True))
    path = [name]
    while (gate := by_name.get(path[-1])) is not None and isinstance(gate.workers, Beside):
        path.append(gate.workers.gate)
        if path[-1] in path[:-1]:
            break
    return path


def training_costs(network: "Network") -> list[float]:
    """What a training sample costs each gate: forward, gradient of parameters, and of the input but in the first."""
    return [cost * (2 if place == 0 else 3) for place, cost in enumerate(network.multiply_adds())]
