"""Sentinels that join a network, the first time and again."""

import asyncio
import logging
import uuid
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from distributed import Future

from akkordeon_dask import config
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import (
    AkkordeonError,
    CheckpointError,
    ClosedError,
    DeadlineError,
    DeploymentError,
    NameConflictError,
    NonFiniteError,
    PlacementError,
    SpecError,
    WorkerLostError,
)
from akkordeon_dask.messages import Address
from akkordeon_dask.network import Beside, Sentinel, WorkerInfo, find_workers, workers_of
from akkordeon_dask.runtime._announce import say
from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._control import construct, submit
from akkordeon_dask.runtime._gate_handle import GateHandle
from akkordeon_dask.runtime._versions import check_versions

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["MENDABLE", "free_name", "make_sentinel", "named_now", "open_sentinel", "relocate", "revive"]

logger = logging.getLogger(__name__)

_REWINDS, _SLOWER = 5, 0.5

MENDABLE = (WorkerLostError, DeadlineError, DeploymentError, PlacementError, OSError)
"""What another try may get past."""


def free_name(sentinel: Sentinel, taken: Collection[str], network: str) -> str:
    """The sentinel's own name, or its mode and the first number that is free.

    Raises
    ------
    NameConflictError
        when its name is taken.
    """
    if sentinel.name is None:
        numbers = range(len(taken) + 1)
        return next(name for name in (f"{sentinel.mode}{number}" for number in numbers) if name not in taken)
    if sentinel.name in taken:
        raise NameConflictError(
            f"network {network!r} has a sentinel {sentinel.name!r} already: detach it, or choose another name"
        )
    return sentinel.name


async def make_sentinel(
    session: "Session",
    sentinel: Sentinel,
    name: str,
    *,
    finished: int = 0,
    former: Address | None = None,
    beside_first: bool = False,
) -> tuple[str, Future[Any], Any]:
    """The actor of a sentinel, not at work yet: its worker, its future and its handle.

    Parameters
    ----------
    finished
        passes that a former life has done.
    former
        that life: the gates forget it.
    beside_first
        it goes where the first gate is, whatever it asks for.

    Raises
    ------
    PlacementError
        when the worker that it asks for is not there.
    SpecError
        when it shall be beside a gate that is not there.
    DataError, DeploymentError
        when it cannot be made.
    """
    client = session.client
    worker = session.gates[0].worker if beside_first else await _place(session, sentinel, name)
    await check_versions(client, [worker])
    future = submit(
        client,
        SentinelActor,
        f"akkordeon-{session.name}-{name}-{uuid.uuid4().hex[:8]}",
        sentinel,
        worker=worker,
        who=f"sentinel {name!r}",
        name=name,
        network=session.name,
        generation=session.generation,
        spec=session.network,
        finished=finished,
        former=former,
    )
    try:
        who = f"sentinel {name!r} on {worker}"
        return worker, future, await construct(future, SentinelActor, worker, who, config.seconds("timeouts.load"))
    except BaseException:
        future.release()
        raise


async def open_sentinel(session: "Session", attached: Attached) -> None:
    """Let it begin."""
    told = session.addresses
    await attached.ask("open", told)
    if told != session.addresses:  # a gate was made anew meanwhile
        await attached.ask("rewire", session.addresses, session.generation)


async def revive(session: "Session", attached: Attached, error: AkkordeonError) -> None:
    """Make a lost sentinel anew: it begins with the pass that it had not finished.

    Raises
    ------
    AkkordeonError
        the error, where the network keeps no snapshots, or it cannot be made within `supervision.wait`.
    """
    if isinstance(error, NonFiniteError):
        await _rewind(session, attached, error)
        return
    if session.mender is None or not session.mender.patient or attached.sentinel.mode == "predict":
        raise error
    begun = asyncio.get_running_loop().time()
    await _again(session, attached, error, beside_first=False)
    text = f"made anew on {attached.worker} after {asyncio.get_running_loop().time() - begun:.2f} s: {error}"
    await say(session.client, session.name, "restarted", sentinel=attached.name, text=text)


async def _rewind(session: "Session", attached: Attached, error: AkkordeonError) -> None:
    """Let all gates go back to their newest snapshots, more slowly from there on; the sentinel begins its pass anew."""
    attached.rewinds += 1
    if attached.rewinds > _REWINDS:
        raise error
    try:
        numbers = await session.on_gates("rewind", _SLOWER)
        await attached.ask("close")
    except CheckpointError as missing:
        raise type(error)(f"{error} ({missing})") from missing
    await _again(session, attached, error, beside_first=False)
    updates = ", ".join(f"{name} to {number:,}" for name, number in numbers.items())
    text = f"{updates} updates, with learning rates times {_SLOWER}: {error}"
    await say(session.client, session.name, "rewound", sentinel=attached.name, text=text)


async def relocate(session: "Session", attached: Attached) -> None:
    """Let a sentinel go on where the first gate is: with the pass that it had not finished."""
    source = attached.worker
    try:
        await attached.retire()
        await _again(session, attached, ClosedError(f"{attached.who} was moved"), beside_first=True)
    finally:
        attached.follow()  # where it could not be moved, this learns what became of it
    await say(session.client, session.name, "moved", sentinel=attached.name, text=f"from {source} to {attached.worker}")


async def _again(session: "Session", attached: Attached, error: AkkordeonError, *, beside_first: bool) -> None:
    loop, pause, paused = asyncio.get_running_loop(), 0.1, attached.state == "paused"
    end = loop.time() + config.seconds("supervision.wait")
    begin: dict[str, Any] = {"finished": len(attached.reports), "former": attached.address}
    while True:
        try:
            session.check()
            life = await make_sentinel(session, attached.sentinel, attached.name, beside_first=beside_first, **begin)
            attached.become(*life)
            await open_sentinel(session, attached)
            if attached.epochs is not None:
                await attached.ask("resume", attached.epochs, 0)
            if paused:
                await attached.ask("pause")
            return
        except MENDABLE as failure:
            if loop.time() > end:
                raise error from failure
            logger.info("making %s anew: %s", attached.who, failure)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 2.0)


async def _place(session: "Session", sentinel: Sentinel, name: str) -> str:
    wish = sentinel.workers
    if wish is None:
        return session.gates[0].worker
    if isinstance(wish, Beside):
        return _gate(wish.gate, name, session.gates, session.name).worker
    workers = await workers_of(session.client)
    wish = named_now(wish, workers, session.worker_names)
    return find_workers(wish, workers, f"sentinel {name!r}")[0].address


def named_now(wish: str, workers: Sequence[WorkerInfo], names: dict[str, str]) -> str:
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
