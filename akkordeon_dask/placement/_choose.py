"""Which gate goes to which worker."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Beside, Claim, Network, Resources, describe_stock
from akkordeon_dask.placement._groups import ColocationGroup, colocation_groups, training_costs
from akkordeon_dask.placement._plan import PlacedGate, Plan
from akkordeon_dask.placement._workers import GUEST, WorkerInfo, find_workers

__all__ = ["choose"]

_TRIES = 5_000
"""How often a gate is put somewhere before the search for room ends."""


def choose(network: Network, workers: Sequence[WorkerInfo]) -> Plan:
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

    def __init__(self, network: Network, workers: list[WorkerInfo]) -> None:
        self.network, self.names, self.workers = network, network.names, workers
        self.colocation_groups = colocation_groups(network)
        self.load: defaultdict[str, float] = defaultdict(float)
        self.claims = {worker.address: list(worker.claims or ()) for worker in workers}
        self.at: dict[int, WorkerInfo] = {}
        self.reasons: dict[int, str] = {}
        self.costs = training_costs(network)

    def plan(self) -> Plan:
        """The first placement found."""
        plain = sorted((party for party in self.colocation_groups if not party.resources), key=self._urgency)
        for party in plain:
            if party.requested_worker is not None:
                self._assign(party, self._candidates(party)[0])
        self._assign_constrained(
            sorted((party for party in self.colocation_groups if party.resources), key=self._urgency)
        )
        for party in plain:
            if party.requested_worker is None:
                self._assign(party, self._candidates(party)[0])
        return Plan(tuple(map(self._placed, range(len(self.names)))))

    def _placed(self, place: int) -> PlacedGate:
        worker, share = self.at[place], _share(self.costs[place], self.costs)
        return PlacedGate(self.names[place], worker.name, worker.address, self.reasons[place], share)

    def _urgency(self, party: ColocationGroup) -> tuple[bool, int, float, float, tuple[int, ...]]:
        largest = {name: max(worker.resources.get(name, 0.0) for worker in self.workers) for name in party.resources}
        share = max((amount / (largest[name] or amount) for name, amount in party.resources.items()), default=0.0)
        return party.requested_worker is None, len(self._wished(party)), -share, -party.cost, party.positions

    def _assign_constrained(self, asking: list[ColocationGroup]) -> None:
        """Put down those that ask for resources, so that all have what they ask for."""
        ways: list[Iterator[WorkerInfo]] = []
        settled, tries = 0, 0
        refusal: PlacementError | None = None
        while settled < len(asking):
            if len(ways) == settled:
                ways.append(iter(self._candidates(asking[settled])))
            worker = next(ways[settled], None)
            if worker is not None:
                self._assign(asking[settled], worker)
                settled, tries = settled + 1, tries + 1
                continue
            refusal = refusal or self._refusal(asking[settled])
            if settled == 0 or tries > _TRIES:
                raise refusal
            ways.pop()
            settled -= 1
            self._unassign(asking[settled])

    def _assign(self, party: ColocationGroup, worker: WorkerInfo) -> None:
        leader, *followers = party.positions
        self.reasons[leader] = self._reason(party, worker)
        for place in followers:
            wish = self.network[place].workers
            assert isinstance(wish, Beside)
            self.reasons[place] = f"beside gate {wish.gate!r}"
        self.at |= dict.fromkeys(party.positions, worker)
        self.load[worker.address] += party.cost
        self.claims[worker.address].append(Claim(None, self.names[leader], party.resources))

    def _unassign(self, party: ColocationGroup) -> None:
        worker = self.at[party.positions[0]]
        for place in party.positions:
            del self.at[place]
        self.load[worker.address] -= party.cost
        self.claims[worker.address].pop()

    def _wished(self, party: ColocationGroup) -> list[WorkerInfo]:
        if party.requested_worker is None:
            return self.workers
        return find_workers(party.requested_worker, self.workers, f"gate {self.names[party.positions[0]]!r}")

    def _candidates(self, party: ColocationGroup) -> list[WorkerInfo]:
        """The workers where it can go, the best first."""
        found = [worker for worker in self._wished(party) if self._has_room(worker, party.resources)]
        return sorted(found, key=lambda worker: (self.load[worker.address], not self._neighbours(party, worker)))

    def _has_room(self, worker: WorkerInfo, asks: Resources) -> bool:
        if not asks:
            return True
        return worker.claims is not None and worker.resources.can_hold(self.claims[worker.address], asks)

    def _neighbours(self, party: ColocationGroup, worker: WorkerInfo) -> list[str]:
        """The names of the gates that it meets on this worker."""
        near = {place + step for place in party.positions for step in (-1, 1)}.difference(party.positions)
        return [self.names[place] for place in sorted(near) if self.at.get(place) == worker]

    def _reason(self, party: ColocationGroup, worker: WorkerInfo) -> str:
        reasons = [f"asks for {party.requested_worker!r}"] if party.requested_worker is not None else []
        if party.resources:
            had, taken = worker.resources, Resources.total(c.resources for c in self.claims[worker.address])
            free = [f"{name} {had[name] - taken.get(name, 0):g} of {had[name]:g}" for name in party.resources]
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

    def _refusal(self, party: ColocationGroup) -> PlacementError:
        leader, *followers = (self.names[place] for place in party.positions)
        who = f"gate {leader!r}" + (f" with {', '.join(map(repr, followers))} beside it" if followers else "")
        asked = (
            f"worker {party.requested_worker!r} and {party.resources}"
            if party.requested_worker is not None
            else str(party.resources)
        )
        there = "; ".join(f"{worker} has {self._stock(worker, party.resources)}" for worker in self._wished(party))
        start = " ".join(f"{name}={amount:g}" for name, amount in party.resources.items())
        return PlacementError(
            f"{who} asks for {asked}, there is no room: {there}: "
            f'start `dask worker ADDRESS --resources "{start}"`, ask for less, or close another network'
        )

    def _stock(self, worker: WorkerInfo, asks: Resources) -> str:
        told = describe_stock(worker.resources, self.claims[worker.address], asks)
        return told if worker.claims is not None else f"{told}, but did not say what is taken of it"


def _share(cost: float, costs: Sequence[float]) -> float:
    return cost / (sum(costs) or 1)
