"""Which gate goes to which worker."""

from collections import defaultdict
from dataclasses import dataclass

from distributed import Client

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Network

__all__ = ["WorkerInfo", "choose", "find", "workers_of"]


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker of the cluster."""

    address: str
    name: str
    host: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


async def workers_of(client: Client) -> list[WorkerInfo]:
    """The workers that the scheduler knows now, in the order of their names."""
    assert client.scheduler is not None
    identity = await client.scheduler.identity(n_workers=-1)
    found = [
        WorkerInfo(address, str(worker["name"]), str(worker["host"])) for address, worker in identity["workers"].items()
    ]
    return sorted(found, key=lambda worker: (worker.name, worker.address))


def find(wish: str, workers: list[WorkerInfo], who: str) -> list[WorkerInfo]:
    """The workers that a name, an address or a host stands for.

    Raises
    ------
    PlacementError
        when there is none: lists those there are.
    """
    for label in ("name", "address", "host"):
        found = [worker for worker in workers if getattr(worker, label) == wish]
        if found:
            return found
    known = ", ".join(map(str, workers)) or "none at all"
    raise PlacementError(
        f"{who} asks for worker {wish!r}, the cluster has {known}: "
        f"start `dask worker ADDRESS --name {wish}`, or write another name, address or host"
    )


def choose(network: Network, workers: list[WorkerInfo]) -> list[WorkerInfo]:
    """A worker for every gate: where it asks to be, else where the least is to be done.

    Raises
    ------
    PlacementError
        when a gate asks for a worker that does not exist, or there are no workers.
    """
    if not workers:
        raise PlacementError("the cluster has no workers: start some with `dask worker SCHEDULER-ADDRESS`")
    costs = training_costs(network)
    load: defaultdict[str, float] = defaultdict(float)
    chosen: list[WorkerInfo | None] = [None] * len(network)
    wishes = [
        find(gate.workers, workers, f"gate {name!r}") if gate.workers is not None else workers
        for name, gate in zip(network.names, network, strict=True)
    ]
    for place in sorted(range(len(network)), key=lambda place: (len(wishes[place]), -costs[place])):
        neighbours = {chosen[near] for near in (place - 1, place + 1) if 0 <= near < len(network)}
        best = min(
            wishes[place],
            key=lambda worker: (load[worker.address], worker not in neighbours, worker.name, worker.address),
        )
        chosen[place] = best
        load[best.address] += costs[place]
    return [worker for worker in chosen if worker is not None]


def training_costs(network: Network) -> list[float]:
    """What a training sample costs each gate: forward, gradient of parameters, and of the input but in the first."""
    return [cost * (2 if place == 0 else 3) for place, cost in enumerate(network.multiply_adds())]
