"""The workers that sentinels go to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from akkordeon_dask.errors import PlacementError, SpecError
from akkordeon_dask.network import Beside, Sentinel
from akkordeon_dask.placement import GUEST, WorkerInfo, find_workers
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import GateHandle

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["current_name", "worker_for"]


async def worker_for(session: "Session", sentinel: Sentinel, name: str) -> str:
    """The address of the worker that a sentinel should be on.

    Raises
    ------
    PlacementError
        when the worker that it asks for is not there, or all are told to end.
    SpecError
        when it shall be beside a gate that is not there.
    """
    wish, workers = sentinel.workers, await list_workers(session.client)
    if wish is None:
        place = session.gates[0].worker
    elif isinstance(wish, Beside):
        place = _gate(wish.gate, name, session.gates, session.name).worker
    else:
        wish = current_name(wish, workers, session.worker_names)
        found = [worker.address for worker in find_workers(wish, workers, f"sentinel {name!r}")]
        place = next((address for address in found if address not in session.draining_workers), found[0])
    return _fallback_worker(session, workers, name) if place in session.draining_workers else place


def _fallback_worker(session: "Session", workers: Sequence[WorkerInfo], name: str) -> str:
    """Where a sentinel goes whose place is about to end: beside some gate that stays, or anywhere."""
    stay = [
        one.address for one in workers if one.address not in session.draining_workers and GUEST not in one.resources
    ]
    if not stay:
        raise PlacementError(f"sentinel {name!r} has no worker that stays: start another one with `dask worker`")
    return next((gate.worker for gate in session.gates if gate.worker in stay), stay[0])


def current_name(wish: str, workers: Sequence[WorkerInfo], names: dict[str, str]) -> str:
    """What to look for where somebody asks for a worker by an address that it has no more: its name.

    Takes notice of the names of all `workers` too.
    """
    names.update({worker.address: worker.name for worker in workers})
    there = {worker.address for worker in workers}
    return names[wish] if wish in names and wish not in there else wish


def _gate(name: str, sentinel: str, gates: Sequence[GateHandle], network: str) -> GateHandle:
    """The gate that a sentinel shall be beside."""
    for gate in gates:
        if gate.name == name:
            return gate
    known = ", ".join(gate.name for gate in gates)
    raise SpecError(
        f"sentinel {sentinel!r} shall be beside gate {name!r}, network {network!r} has {known}: "
        "write the name of one of them"
    )
