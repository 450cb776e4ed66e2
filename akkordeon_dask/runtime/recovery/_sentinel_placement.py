"""The worker that a sentinel goes to."""

from collections.abc import Collection, Sequence

from akkordeon_dask.errors import PlacementError, SpecError
from akkordeon_dask.network import Beside, Sentinel
from akkordeon_dask.placement import GUEST, WorkerInfo, find_workers
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._workers import list_workers

__all__ = ["choose_worker", "current_name"]


async def choose_worker(session: Session, sentinel: Sentinel, name: str, *, insists: bool = False) -> str:
    """The address of the worker that a sentinel goes to; with `insists`, one that it asks for and that is gone
    or paused is an error.

    Raises
    ------
    PlacementError
        when the worker that it asks for is not there, or all shut down or are paused.
    SpecError
        when it asks to be beside a gate that is not there.
    """
    requested, workers = sentinel.workers, await list_workers(session.client)
    paused = {one.address for one in workers if one.paused and GUEST not in one.resources}
    passed = paused | session.draining_workers
    if requested is None:
        worker = session.gates[0].worker
    elif isinstance(requested, Beside):
        worker = _worker_of(requested.gate, session, name)
    else:
        requested = current_name(requested, workers, session.worker_names)
        if not insists and _is_leaving(requested, session, workers):
            return _fallback_worker(session, workers, passed, name)
        found = [worker.address for worker in find_workers(requested, workers, f"sentinel {name!r}")]
        worker = next((address for address in found if address not in passed), found[0])
        if insists and worker in paused:
            raise PlacementError(
                f"sentinel {name!r} asks for worker {requested!r}, which is paused: its memory is nearly full "
                "(distributed.worker.memory.pause). Release what is there, or ask for another worker"
            )
    return _fallback_worker(session, workers, passed, name) if worker in passed else worker


def _is_leaving(requested: str, session: Session, workers: Sequence[WorkerInfo]) -> bool:
    """The worker that is asked for shuts down or has done so, and has not come back under another address."""
    if any(requested in (one.name, one.address) for one in workers):
        return False
    known = [address for address, name in session.worker_names.items() if requested in (address, name)]
    return bool(known) and known[-1] in session.draining_workers


def _fallback_worker(session: Session, workers: Sequence[WorkerInfo], passed: Collection[str], name: str) -> str:
    """The worker for a sentinel whose own shuts down or is paused: that of some gate that stays, or any."""
    stay = [one.address for one in workers if one.address not in passed and GUEST not in one.resources]
    if not stay:
        raise PlacementError(
            f"sentinel {name!r} has no worker that stays and is not paused: start another one with `dask worker`"
        )
    return next((gate.worker for gate in session.gates if gate.worker in stay), stay[0])


def _worker_of(gate: str, session: Session, sentinel: str) -> str:
    for one in session.gates:
        if one.name == gate:
            return one.worker
    known = ", ".join(one.name for one in session.gates)
    raise SpecError(
        f"sentinel {sentinel!r} shall be beside gate {gate!r}, network {session.name!r} has {known}: "
        "write the name of one of them"
    )


def current_name(requested: str, workers: Sequence[WorkerInfo], names: dict[str, str]) -> str:
    """Map the address of a worker that has restarted to its name, which survives the restart.

    Adds the names of all `workers` to `names`, too.
    """
    names.update({worker.address: worker.name for worker in workers})
    addresses = {worker.address for worker in workers}
    return names[requested] if requested in names and requested not in addresses else requested
