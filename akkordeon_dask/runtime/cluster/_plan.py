"""A plan for the cluster as it is now: facts from its workers, then the choice."""

from collections.abc import Collection

from distributed import Client

from akkordeon_dask.errors import PlacementError
from akkordeon_dask.network import Network
from akkordeon_dask.placement import GUEST, Plan, choose, colocation_groups
from akkordeon_dask.runtime.cluster._workers import add_claims, add_tasks, list_workers

__all__ = ["make_plan"]


async def make_plan(network: Network, client: Client, timeout: float, avoid: Collection[str] = ()) -> Plan:
    """Where the gates go on the client's cluster as it is now. On the client's event loop.

    Parameters
    ----------
    timeout
        seconds for a worker to list the claims of gates on its resources.
    avoid
        addresses of workers that get no gate.

    Raises
    ------
    SpecError, PlacementError
        see `choose`; when all workers are to be avoided, too.
    """
    colocation_groups(network)
    known = await list_workers(client)
    workers = [worker for worker in known if worker.address not in avoid]
    left_out = [str(worker) for worker in known if worker.address in avoid]
    if left_out and all(GUEST in worker.resources for worker in workers):
        raise PlacementError(
            f"no other worker can take a gate, without {', '.join(left_out)}: start another one with `dask worker "
            "SCHEDULER-ADDRESS`"
        )
    workers = await add_tasks(workers, client)
    if names := {name for gate in network for name in gate.resources}:
        workers = await add_claims(workers, client, names, timeout)
    return choose(network, workers)
