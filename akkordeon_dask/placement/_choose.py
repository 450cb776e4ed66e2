"""The choice of a worker for every gate: a search with backtracking."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Beside, Claim, Network, Resources, describe_stock
from akkordeon_dask.placement._groups import ColocationGroup, colocation_groups, training_costs
from akkordeon_dask.placement._plan import PlacedGate, Plan
from akkordeon_dask.placement._workers import GUEST, WorkerInfo, find_workers

__all__ = ["choose"]

_PAUSED = (
    "its memory is nearly full, and no actor is created there until some is free (distributed.worker.memory.pause). "
    "Release what is there, or start another one with `dask worker`"
)
_TRIES = 5_000
"""Assignments before the search for room ends."""


def choose(network: Network, workers: Sequence[WorkerInfo]) -> Plan:
    """A worker for every gate: the one that it requests, with room for its resources, else the least loaded one.

    Paused workers are passed over, and those whose memory is smaller than the parameters that would be there; those
    whose threads are all taken by tasks come last.

    Gates that request a worker come first, then those that request resources, then the others, the most costly first.
    Gates beside one another are placed together. The order of `workers` does not matter.

    Raises
    ------
    PlacementError
        when there are no workers, or none that a gate can go to.
    SpecError
        when a gate is to be beside one that the network does not have.
    """
    workers = [worker for worker in workers if GUEST not in worker.resources]
    if not workers:
        raise PlacementError(
            "the cluster has no workers: start some with `dask worker SCHEDULER-ADDRESS`, or have it keep some, "
            "cluster.scale(2) or cluster.adapt(minimum=2)"
        )
    if all(worker.paused for worker in workers):
        raise PlacementError(f"all workers are paused ({', '.join(map(str, workers))}): {_PAUSED}")
    return _Placement(network, sorted(workers, key=lambda worker: (worker.name, worker.address))).plan()


class _Placement:
    """Backtracking: groups are assigned one after the other; when one finds no room, the one before it moves on."""

    def __init__(self, network: Network, workers: list[WorkerInfo]) -> None:
        self.network, self.names, self.known = network, network.names, workers
        self.workers = [worker for worker in workers if not worker.paused]
        self.groups = colocation_groups(network)
        self.load: defaultdict[str, float] = defaultdict(float)
        self.nbytes: defaultdict[str, int] = defaultdict(int)
        self.claims = {worker.address: list(worker.claims or ()) for worker in workers}
        self.at: dict[int, WorkerInfo] = {}
        self.reasons: dict[int, str] = {}
        self.costs = training_costs(network)

    def plan(self) -> Plan:
        """The first placement found."""
        plain = sorted((group for group in self.groups if not group.resources), key=self._urgency)
        for group in plain:
            if group.requested_worker is not None:
                self._assign(group, self._best(group))
        self._assign_constrained(sorted((group for group in self.groups if group.resources), key=self._urgency))
        for group in plain:
            if group.requested_worker is None:
                self._assign(group, self._best(group))
        return Plan(tuple(map(self._placed, range(len(self.names)))))

    def _placed(self, position: int) -> PlacedGate:
        worker, share = self.at[position], _share(self.costs[position], self.costs)
        return PlacedGate(self.names[position], worker.name, worker.address, self.reasons[position], share)

    def _urgency(self, group: ColocationGroup) -> tuple[bool, int, float, float, tuple[int, ...]]:
        largest = {name: max(worker.resources.get(name, 0.0) for worker in self.workers) for name in group.resources}
        share = max((amount / (largest[name] or amount) for name, amount in group.resources.items()), default=0.0)
        return group.requested_worker is None, len(self._requested_workers(group)), -share, -group.cost, group.positions

    def _assign_constrained(self, groups: list[ColocationGroup]) -> None:
        """Assign the groups that request resources, so that each has them."""
        untried: list[Iterator[WorkerInfo]] = []
        assigned, tries = 0, 0
        refusal: PlacementError | None = None
        while assigned < len(groups):
            if len(untried) == assigned:
                untried.append(iter(self._candidates(groups[assigned])))
            worker = next(untried[assigned], None)
            if worker is not None:
                self._assign(groups[assigned], worker)
                assigned, tries = assigned + 1, tries + 1
                continue
            refusal = refusal or self._refusal(groups[assigned])
            if assigned == 0 or tries > _TRIES:
                raise refusal
            untried.pop()
            assigned -= 1
            self._unassign(groups[assigned])

    def _assign(self, group: ColocationGroup, worker: WorkerInfo) -> None:
        leader, *followers = group.positions
        self.reasons[leader] = self._reason(group, worker)
        for position in followers:
            requested = self.network[position].workers
            assert isinstance(requested, Beside)
            self.reasons[position] = f"beside gate {requested.gate!r}"
        self.at |= dict.fromkeys(group.positions, worker)
        self.load[worker.address] += group.cost
        self.nbytes[worker.address] += group.nbytes
        self.claims[worker.address].append(Claim(None, self.names[leader], group.resources))

    def _unassign(self, group: ColocationGroup) -> None:
        worker = self.at[group.positions[0]]
        for position in group.positions:
            del self.at[position]
        self.load[worker.address] -= group.cost
        self.nbytes[worker.address] -= group.nbytes
        self.claims[worker.address].pop()

    def _requested_workers(self, group: ColocationGroup) -> list[WorkerInfo]:
        if group.requested_worker is None:
            return self.workers
        who = f"gate {self.names[group.positions[0]]!r}"
        found = find_workers(group.requested_worker, self.known, who)
        awake = [worker for worker in found if not worker.paused]
        if not awake:
            raise PlacementError(f"{who} asks for worker {group.requested_worker!r}, which is paused: {_PAUSED}")
        return awake

    def _best(self, group: ColocationGroup) -> WorkerInfo:
        """The best worker of a group that requests no resources."""
        found = self._candidates(group)
        if not found:
            raise self._refusal(group)
        return found[0]

    def _candidates(self, group: ColocationGroup) -> list[WorkerInfo]:
        """The workers with room for the group, the best first."""
        able = [worker for worker in self._requested_workers(group) if self._has_memory(worker, group)]
        found = [worker for worker in able if self._has_room(worker, group.resources)]
        return sorted(found, key=lambda one: (bool(one.busy), self.load[one.address], not self._neighbours(group, one)))

    def _has_memory(self, worker: WorkerInfo, group: ColocationGroup) -> bool:
        """Whether its nanny would let it hold the parameters alone: certainly not, if this is False."""
        return not worker.memory_limit or self.nbytes[worker.address] + group.nbytes <= worker.memory_limit

    def _has_room(self, worker: WorkerInfo, requested: Resources) -> bool:
        if not requested:
            return True
        return worker.claims is not None and worker.resources.can_hold(self.claims[worker.address], requested)

    def _neighbours(self, group: ColocationGroup, worker: WorkerInfo) -> list[str]:
        """The names of neighbouring gates on this worker."""
        near = {position + step for position in group.positions for step in (-1, 1)}.difference(group.positions)
        return [self.names[position] for position in sorted(near) if self.at.get(position) == worker]

    def _reason(self, group: ColocationGroup, worker: WorkerInfo) -> str:
        reasons = [f"asks for {group.requested_worker!r}"] if group.requested_worker is not None else []
        if group.resources:
            had, taken = worker.resources, Resources.total(c.resources for c in self.claims[worker.address])
            free = [f"{name} {had[name] - taken.get(name, 0):g} of {had[name]:g}" for name in group.resources]
            reasons.append(f"has {', '.join(free)} free")
        if reasons:
            return ", ".join(reasons)
        if len(self.workers) == 1:
            return "the only worker"
        load = self.load[worker.address]
        equals = sum(self.load[other.address] == load for other in self.workers)
        if equals > 1 and (neighbours := self._neighbours(group, worker)):
            return f"next to its neighbour {neighbours[0]}"
        return f"least loaded: {100 * _share(load, self.costs):.0f} % of the cost"

    def _refusal(self, group: ColocationGroup) -> PlacementError:
        leader, *followers = (self.names[position] for position in group.positions)
        gates = f"gate {leader!r}" + (f" with {', '.join(map(repr, followers))} beside it" if followers else "")
        workers = self._requested_workers(group)
        if not any(self._has_memory(worker, group) for worker in workers):
            return self._too_large(gates, group, workers)
        asked = (
            f"worker {group.requested_worker!r} and {group.resources}"
            if group.requested_worker is not None
            else str(group.resources)
        )
        there = "; ".join(f"{worker} has {self._stock(worker, group)}" for worker in workers)
        start = " ".join(f"{name}={amount:g}" for name, amount in group.resources.items())
        return PlacementError(
            f"{gates} asks for {asked}, there is no room: {there}: "
            f'start `dask worker ADDRESS --resources "{start}"`, ask for less, or close another network'
        )

    def _too_large(self, gates: str, group: ColocationGroup, workers: list[WorkerInfo]) -> PlacementError:
        def limit(worker: WorkerInfo) -> str:
            taken = self.nbytes[worker.address]
            beside = f", of which parameters of other gates take {_megabytes(taken)}" if taken else ""
            return f"{worker} has a limit of {_megabytes(worker.memory_limit)}{beside}"

        return PlacementError(
            f"{gates} has {_megabytes(group.nbytes)} of parameters, and no worker has the memory: "
            f"{'; '.join(map(limit, workers))}: start `dask worker ADDRESS --memory-limit BYTES` with several times as "
            "much, or divide the layers among more gates"
        )

    def _stock(self, worker: WorkerInfo, group: ColocationGroup) -> str:
        stock = describe_stock(worker.resources, self.claims[worker.address], group.resources)
        if not self._has_memory(worker, group):
            stock += f", and a memory limit of {_megabytes(worker.memory_limit)} for the parameters"
        return stock if worker.claims is not None else f"{stock}, but did not say what is taken of it"


def _megabytes(nbytes: int) -> str:
    return f"{nbytes / 1e6:,.1f} MB"


def _share(cost: float, costs: Sequence[float]) -> float:
    return cost / (sum(costs) or 1)
