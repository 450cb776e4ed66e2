"""Which gate goes to which worker."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network._beside import Beside
from akkordeon_dask.network._parties import Party, parties, training_costs
from akkordeon_dask.network._plan import Placed, Plan
from akkordeon_dask.network._resources import Claim, Resources, stock
from akkordeon_dask.network._workers import GUEST, WorkerInfo, find_workers, with_claims, workers_of

if TYPE_CHECKING:
    from akkordeon_dask.network._network import Network

__all__ = ["choose", "make_plan"]

_TRIES = 5_000
"""How often a gate is put somewhere before the search for room ends."""


async def make_plan(network: "Network", client: Any, timeout: float, avoid: Collection[str] = ()) -> Plan:
    """Where the gates go on the client's cluster as it is now. On the client's event loop.

    Parameters
    ----------
    timeout
        seconds for a worker to say what gates have taken of its resources.
    avoid
        addresses of workers that get no gate.

    Raises
    ------
    SpecError, PlacementError
        see `choose`.
    """
    parties(network)
    workers = [worker for worker in await workers_of(client) if worker.address not in avoid]
    if names := {name for gate in network for name in gate.resources}:
        workers = await with_claims(workers, client, names, timeout)
    return choose(network, workers)


def choose(network: "Network", workers: Sequence[WorkerInfo]) -> Plan:
    """A worker for every gate: where it asks to be and has what it takes, else where the least is to be done.

    Gates that ask for a worker come first, then those that ask for resources, then the others, the heaviest first.
    Gates beside one another are placed as one. The order of `workers` does not matter.

    Raises
    ------
    PlacementError
        when there are no workers, or none as a gate asks for.
    SpecError
        when a gate shall be beside one that is not there.
    """
    workers = [worker for worker in workers if GUEST not in worker.resources]
    if not workers:
        raise PlacementError("the cluster has no workers: start some with `dask worker SCHEDULER-ADDRESS`")
    return _Placement(network, sorted(workers, key=lambda worker: (worker.name, worker.address))).plan()


class _Placement:
    """Parties are put down one after the other; when one finds no room, the one before it moves on."""

    def __init__(self, network: "Network", workers: list[WorkerInfo]) -> None:
        self.network, self.names, self.workers = network, network.names, workers
        self.parties = parties(network)
        self.load: defaultdict[str, float] = defaultdict(float)
        self.claims = {worker.address: list(worker.claims or ()) for worker in workers}
        self.at: dict[int, WorkerInfo] = {}
        self.reasons: dict[int, str] = {}
        self.costs = training_costs(network)

    def plan(self) -> Plan:
        """The first placement found."""
        plain = sorted((party for party in self.parties if not party.asks), key=self._urgency)
        for party in plain:
            if party.wish is not None:
                self._put(party, self._ways(party)[0])
        self._settle(sorted((party for party in self.parties if party.asks), key=self._urgency))
        for party in plain:
            if party.wish is None:
                self._put(party, self._ways(party)[0])
        return Plan(tuple(map(self._placed, range(len(self.names)))))

    def _placed(self, place: int) -> Placed:
        worker, share = self.at[place], _share(self.costs[place], self.costs)
        return Placed(self.names[place], worker.name, worker.address, self.reasons[place], share)

    def _urgency(self, party: Party) -> tuple[Any, ...]:
        largest = {name: max(worker.resources.get(name, 0.0) for worker in self.workers) for name in party.asks}
        share = max((amount / (largest[name] or amount) for name, amount in party.asks.items()), default=0.0)
        return party.wish is None, len(self._wished(party)), -share, -party.cost, party.places

    def _settle(self, asking: list[Party]) -> None:
        """Put down those that ask for resources, so that all have what they ask for."""
        ways: list[Iterator[WorkerInfo]] = []
        settled, tries = 0, 0
        refusal: PlacementError | None = None
        while settled < len(asking):
            if len(ways) == settled:
                ways.append(iter(self._ways(asking[settled])))
            worker = next(ways[settled], None)
            if worker is not None:
                self._put(asking[settled], worker)
                settled, tries = settled + 1, tries + 1
                continue
            refusal = refusal or self._refusal(asking[settled])
            if settled == 0 or tries > _TRIES:
                raise refusal
            ways.pop()
            settled -= 1
            self._take_back(asking[settled])

    def _put(self, party: Party, worker: WorkerInfo) -> None:
        leader, *followers = party.places
        self.reasons[leader] = self._reason(party, worker)
        for place in followers:
            wish = self.network[place].workers
            assert isinstance(wish, Beside)
            self.reasons[place] = f"beside gate {wish.gate!r}"
        self.at |= dict.fromkeys(party.places, worker)
        self.load[worker.address] += party.cost
        self.claims[worker.address].append(Claim(None, self.names[leader], party.asks))

    def _take_back(self, party: Party) -> None:
        worker = self.at[party.places[0]]
        for place in party.places:
            del self.at[place]
        self.load[worker.address] -= party.cost
        self.claims[worker.address].pop()

    def _wished(self, party: Party) -> list[WorkerInfo]:
        if party.wish is None:
            return self.workers
        return find_workers(party.wish, self.workers, f"gate {self.names[party.places[0]]!r}")

    def _ways(self, party: Party) -> list[WorkerInfo]:
        """The workers where it can go, the best first."""
        found = [worker for worker in self._wished(party) if self._has_room(worker, party.asks)]
        return sorted(found, key=lambda worker: (self.load[worker.address], not self._neighbours(party, worker)))

    def _has_room(self, worker: WorkerInfo, asks: Resources) -> bool:
        if not asks:
            return True
        return worker.claims is not None and worker.resources.hold(self.claims[worker.address], asks)

    def _neighbours(self, party: Party, worker: WorkerInfo) -> list[str]:
        """The names of the gates that it meets on this worker."""
        near = {place + step for place in party.places for step in (-1, 1)}.difference(party.places)
        return [self.names[place] for place in sorted(near) if self.at.get(place) == worker]

    def _reason(self, party: Party, worker: WorkerInfo) -> str:
        reasons = [f"asks for {party.wish!r}"] if party.wish is not None else []
        if party.asks:
            had, taken = worker.resources, Resources.total(c.resources for c in self.claims[worker.address])
            free = [f"{name} {had[name] - taken.get(name, 0):g} of {had[name]:g}" for name in party.asks]
            reasons.append(f"has {', '.join(free)} free")
        if reasons:
            return ", ".join(reasons)
        if len(self.workers) == 1:
            return "the only worker"
        load = self.load[worker.address]
        equals = sum(self.load[other.address] == load for other in self.workers)
        if equals > 1 and (neighbours := self._neighbours(party, worker)):
            return f"next to its neighbour {neighbours[0]}"
        return f"least loaded: {100 * _share(load, self.costs):.0f} % of the cost"

    def _refusal(self, party: Party) -> PlacementError:
        leader, *followers = (self.names[place] for place in party.places)
        who = f"gate {leader!r}" + (f" with {', '.join(map(repr, followers))} beside it" if followers else "")
        asked = f"worker {party.wish!r} and {party.asks}" if party.wish is not None else str(party.asks)
        there = "; ".join(f"{worker} has {self._stock(worker, party.asks)}" for worker in self._wished(party))
        start = " ".join(f"{name}={amount:g}" for name, amount in party.asks.items())
        return PlacementError(
            f"{who} asks for {asked}, there is no room: {there}: "
            f'start `dask worker ADDRESS --resources "{start}"`, ask for less, or close another network'
        )

    def _stock(self, worker: WorkerInfo, asks: Resources) -> str:
        told = stock(worker.resources, self.claims[worker.address], asks)
        return told if worker.claims is not None else f"{told}, but did not say what is taken of it"


def _share(cost: float, costs: Sequence[float]) -> float:
    return cost / (sum(costs) or 1)
