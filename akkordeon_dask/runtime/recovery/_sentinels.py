"""Sentinels are attached, restarted, rewound and moved."""

import asyncio
import logging
import uuid
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from distributed import Actor, Future

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor, Position, SentinelActor
from akkordeon_dask.errors import (
    AkkordeonError,
    CheckpointError,
    ClosedError,
    NonFiniteError,
    PlacementError,
    SpecError,
)
from akkordeon_dask.messages import Address
from akkordeon_dask.network import Beside, Sentinel
from akkordeon_dask.placement import GUEST, WorkerInfo, find_workers
from akkordeon_dask.runtime._events import explain_loss, log_event, lost_text
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._actor_calls import wait_until_created
from akkordeon_dask.runtime.cluster._payload import submitted
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._versions import check_versions
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._sentinel import Attached
from akkordeon_dask.runtime.handles._sentinel_names import Claim, claim_name, release_name

__all__ = ["attach", "current_name", "drain_sentinel", "move_sentinel", "restart_sentinel"]

logger = logging.getLogger(__name__)

_REWINDS, _SLOWER = 5, 0.5


async def attach(session: Session, sentinel: Sentinel, resume: bool | None = None) -> Attached:
    """Create a sentinel's actor, on the worker that it asks for or beside the first gate, and let it begin.

    Raises
    ------
    AkkordeonError
        see `Running.attach`; nothing is left then.
    """
    session.check()
    if resume and session.entry.snapshots is None:
        raise SpecError(f"network {session.name!r} keeps no snapshots, there is no position to resume: leave that out")
    claim = await claim_name(session.client, session.name, session.entry.run, session.network.names, sentinel)
    session.own_keys.add(claim.base)
    # A name that has been attached before begins again.
    first = session.resumed and claim.name not in session.sentinel_specs
    try:
        created = await _create(session, sentinel, claim, resume=first if resume is None else resume)
        attached = Attached(
            sentinel,
            claim,
            *created,
            changed=session.notify_waiters,
            report=session.add_pass,
            recover=partial(restart_sentinel, session),
            evacuate=partial(drain_sentinel, session),
        )
        await session.add(attached, partial(_open, session, attached))
    except BaseException:
        session.own_keys.discard(claim.base)
        await release_name(session.client, claim.token)
        raise
    return attached


async def _create(
    session: Session,
    sentinel: Sentinel,
    claim: Claim,
    *,
    position: Position | None = None,
    former: Address | None = None,
    until: int | None = None,
    paused: bool = False,
    beside_first: bool = False,
    resume: bool = False,
) -> tuple[str, Future[Any], Actor]:
    """Create the actor of a sentinel, which does not work yet: its worker, its future and its handle.

    Parameters
    ----------
    position
        where it resumes; None: with the first pass.
    former
        its former incarnation, which the gates drop.
    until
        passes, of all incarnations, after which it rests; None: as its spec says.
    paused
        it waits until it is resumed.
    resume
        it resumes where a sentinel of this name was in an earlier run, if its position is there.
    beside_first
        it goes to the worker of the first gate, whatever it asks for.

    Raises
    ------
    PlacementError
        when the worker that it asks for is not there.
    SpecError
        when it asks to be beside a gate that is not there.
    DataError, DeploymentError
        when it cannot be created.
    """
    client, entry, name = session.client, session.entry, claim.name
    worker = (
        session.gates[0].worker if beside_first else await _worker_for(session, sentinel, name, insists=former is None)
    )
    await check_versions(client, [worker])
    submission = submitted(
        client,
        SentinelActor,
        f"{claim.base}-{uuid.uuid4().hex[:8]}",
        sentinel,
        worker=worker,
        label=f"sentinel {name!r}",
        name=name,
        network=entry.name,
        generation=entry.generation,
        spec=session.network,
        position=position,
        former=former,
        until=until,
        paused=paused,
        policy=entry.snapshots,
        begun=entry.deployed_at,
        resume=[policy for policy in (entry.snapshots, entry.resumed_from) if resume and policy is not None],
    )
    label, limit = f"sentinel {name!r} on {worker}", config.seconds("timeouts.load")
    async with submission as future:
        return worker, future, await wait_until_created(future, SentinelActor, worker, label, limit)


async def _open(session: Session, attached: Attached) -> None:
    gates = session.addresses
    await attached.poll(config.seconds("timeouts.first-batch"), SentinelActor.open, gates)
    if gates != session.addresses:  # a gate was restarted or moved meanwhile
        await attached.ask(SentinelActor.rewire, session.addresses, session.entry.generation)


async def restart_sentinel(session: Session, attached: Attached, error: AkkordeonError) -> None:
    """Restart a lost sentinel at the position that it reported last, at most a second ago.

    Raises
    ------
    AkkordeonError
        the error, where the network keeps no snapshots, or it cannot be restarted within `supervision.wait`.
    """
    if isinstance(error, NonFiniteError):
        await _rewind(session, attached, error)
        return
    if not session.policy.restarts or attached.sentinel.mode == "predict":
        raise await explain_loss(session.client, attached.worker, error)
    begun, position, worker = asyncio.get_running_loop().time(), attached.position, attached.worker
    await _log(session, attached, "lost", lost_text(worker))
    await _restart_at(session, attached, position, error)
    seconds = asyncio.get_running_loop().time() - begun
    error = await explain_loss(session.client, worker, error)
    text = f"on {attached.worker} after {seconds:.2f} s, resumes {position}: {error}"
    await _log(session, attached, "restarted", text)


async def _rewind(session: Session, attached: Attached, error: AkkordeonError) -> None:
    """Rewind all gates to their newest snapshots, with smaller learning rates; the sentinel begins its pass again."""
    attached.rewinds += 1
    if attached.rewinds > _REWINDS:
        raise error
    try:
        numbers = await session.on_gates(GateActor.rewind, _SLOWER)
        await attached.ask(SentinelActor.close)
    except CheckpointError as missing:
        raise type(error)(f"{error} ({missing})") from missing
    await _restart_at(session, attached, Position(attached.position.finished), error)
    updates = ", ".join(f"{name} to {number:,}" for name, number in numbers.items())
    await _log(session, attached, "rewound", f"{updates} updates, with learning rates times {_SLOWER}: {error}")


async def move_sentinel(session: Session, attached: Attached) -> None:
    """Move a sentinel to the worker of the first gate, with the batches that it had not finished."""
    try:
        await attached.unwatch()
        await _move(session, attached, beside_first=True)
    finally:
        attached.watch()  # where it could not be moved, the next poll finds out why


async def _move(session: Session, attached: Attached, *, beside_first: bool = False) -> None:
    source = attached.worker
    await attached.retire()
    moved = ClosedError(f"{attached.label} was moved")
    await _restart_at(session, attached, attached.position, moved, beside_first=beside_first)
    await _log(session, attached, "moved", f"from {source} to {attached.worker}")


async def drain_sentinel(session: Session, attached: Attached) -> None:
    """Move a sentinel off a worker that shuts down; where that is not possible, the worker learns why."""
    session.draining_workers.add(attached.worker)
    try:
        await _worker_for(session, attached.sentinel, attached.name)
    except (AkkordeonError, OSError) as error:
        logger.warning("%s stays on a worker that shuts down: %s", attached.label, error)
        await attached.ask(SentinelActor.acknowledge_drain, str(error))
        await _log(session, attached, "stays", f"on {attached.worker}, which shuts down: {error}")
        return
    await attached.ask(SentinelActor.acknowledge_drain)
    await _move(session, attached)


async def _restart_at(
    session: Session, attached: Attached, position: Position, error: AkkordeonError, *, beside_first: bool = False
) -> None:
    former, paused = attached.address, attached.state == "paused"

    async def restart() -> None:
        session.check()
        created = await _create(
            session,
            attached.sentinel,
            attached.claim,
            position=position,
            former=former,
            until=attached.until,
            paused=paused,
            beside_first=beside_first,
        )
        attached.replace_actor(*created)
        await _open(session, attached)

    end = asyncio.get_running_loop().time() + config.seconds("supervision.wait")
    try:
        await retry(restart, f"restarting {attached.label}", end=end)
    except RETRYABLE as failure:
        raise error from failure


async def _log(session: Session, attached: Attached, event: str, text: str) -> None:
    await log_event(session.client, session.name, event, sentinel=attached.name, text=text)


async def _worker_for(session: Session, sentinel: Sentinel, name: str, *, insists: bool = False) -> str:
    """The address of the worker that a sentinel goes to; with `insists`, a paused one that it asks for is an error.

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
        found = [worker.address for worker in find_workers(requested, workers, f"sentinel {name!r}")]
        worker = next((address for address in found if address not in passed), found[0])
        if insists and worker in paused:
            raise PlacementError(
                f"sentinel {name!r} asks for worker {requested!r}, which is paused: its memory is nearly full "
                "(distributed.worker.memory.pause). Release what is there, or ask for another worker"
            )
    return _fallback_worker(session, workers, passed, name) if worker in passed else worker


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
