"""Sentinels that join a network, the first time and again."""

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

from distributed import Future

from akkordeon_dask import config
from akkordeon_dask.actors import Position, SentinelActor
from akkordeon_dask.errors import (
    AkkordeonError,
    CheckpointError,
    ClosedError,
    NonFiniteError,
)
from akkordeon_dask.messages import Address
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._events import log_event, lost_text
from akkordeon_dask.runtime.clients._sentinel_names import key_base
from akkordeon_dask.runtime.cluster._actor_calls import wait_until_created
from akkordeon_dask.runtime.cluster._payload import submitted
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._versions import check_versions
from akkordeon_dask.runtime.handles._sentinel import Attached
from akkordeon_dask.runtime.recovery._workers import worker_for

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["drain_sentinel", "make_sentinel", "move_sentinel", "open_sentinel", "restart_sentinel"]

logger = logging.getLogger(__name__)

_REWINDS, _SLOWER = 5, 0.5


async def make_sentinel(
    session: "Session",
    sentinel: Sentinel,
    name: str,
    base: str,
    *,
    position: Position | None = None,
    former: Address | None = None,
    until: int | None = None,
    paused: bool = False,
    beside_first: bool = False,
    resume: bool = False,
) -> tuple[str, Future[Any], Any]:
    """The actor of a sentinel, not at work yet: its worker, its future and its handle.

    Parameters
    ----------
    base
        what its key begins with, as that of all its lives; see `Claim`.
    position
        where it goes on; None: with the first pass.
    former
        that life: the gates forget it.
    until
        passes, of all its lives, after which it rests; None: as it was written.
    paused
        it waits until it is told to go on.
    resume
        it goes on where a sentinel of this name was in an earlier run, if its position is there.
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
    worker = session.gates[0].worker if beside_first else await worker_for(session, sentinel, name)
    await check_versions(client, [worker])
    submission = submitted(
        client,
        SentinelActor,
        f"{base}-{uuid.uuid4().hex[:8]}",
        sentinel,
        worker=worker,
        who=f"sentinel {name!r}",
        name=name,
        network=session.name,
        generation=session.generation,
        spec=session.network,
        position=position,
        former=former,
        until=until,
        paused=paused,
        policy=session.keeping,
        begun=session.begun,
        resume=[place for place in (session.keeping, session.source) if resume and place is not None],
    )
    async with submission as future:
        who = f"sentinel {name!r} on {worker}"
        return (
            worker,
            future,
            await wait_until_created(future, SentinelActor, worker, who, config.seconds("timeouts.load")),
        )


async def open_sentinel(session: "Session", attached: Attached) -> None:
    """Let it begin."""
    told = session.addresses
    await attached.ask("open", told, more=config.seconds("timeouts.first-batch"))
    if told != session.addresses:  # a gate was made anew meanwhile
        await attached.ask("rewire", session.addresses, session.generation)


async def restart_sentinel(session: "Session", attached: Attached, error: AkkordeonError) -> None:
    """Make a lost sentinel anew: it goes on where it was when it told last, at most a second ago.

    Raises
    ------
    AkkordeonError
        the error, where the network keeps no snapshots, or it cannot be made within `supervision.wait`.
    """
    if isinstance(error, NonFiniteError):
        await _rewind(session, attached, error)
        return
    if session.mender is None or not session.mender.owner_restarts_gates or attached.sentinel.mode == "predict":
        raise error
    begun, position = asyncio.get_running_loop().time(), attached.position
    await log_event(session.client, session.name, "lost", sentinel=attached.name, text=lost_text(attached.worker))
    await _restart_at(session, attached, position, error)
    seconds = asyncio.get_running_loop().time() - begun
    text = f"made anew on {attached.worker} after {seconds:.2f} s, goes on {position}: {error}"
    await log_event(session.client, session.name, "restarted", sentinel=attached.name, text=text)


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
    await _restart_at(session, attached, Position(attached.position.finished), error)
    updates = ", ".join(f"{name} to {number:,}" for name, number in numbers.items())
    text = f"{updates} updates, with learning rates times {_SLOWER}: {error}"
    await log_event(session.client, session.name, "rewound", sentinel=attached.name, text=text)


async def move_sentinel(session: "Session", attached: Attached) -> None:
    """Let a sentinel go on where the first gate is: with the batches that it had not finished."""
    try:
        await attached.unwatch()
        await _move(session, attached, beside_first=True)
    finally:
        attached.watch()  # where it could not be moved, this learns what became of it


async def _move(session: "Session", attached: Attached, *, beside_first: bool = False) -> None:
    source = attached.worker
    await attached.retire()
    moved = ClosedError(f"{attached.who} was moved")
    await _restart_at(session, attached, attached.position, moved, beside_first=beside_first)
    await log_event(
        session.client, session.name, "moved", sentinel=attached.name, text=f"from {source} to {attached.worker}"
    )


async def drain_sentinel(session: "Session", attached: Attached) -> None:
    """Let a sentinel go on elsewhere, whose worker is told to end; where that cannot be, the worker learns why."""
    session.draining_workers.add(attached.worker)
    try:
        await worker_for(session, attached.sentinel, attached.name)
    except (AkkordeonError, OSError) as error:
        logger.warning("%s stays on a worker that ends: %s", attached.who, error)
        await attached.ask("acknowledge_drain", str(error))
        text = f"on {attached.worker}, which ends: {error}"
        await log_event(session.client, session.name, "stays", sentinel=attached.name, text=text)
        return
    await attached.ask("acknowledge_drain")
    await _move(session, attached)


async def _restart_at(
    session: "Session", attached: Attached, position: Position, error: AkkordeonError, *, beside_first: bool = False
) -> None:
    begin: dict[str, Any] = {"position": position, "former": attached.address, "paused": attached.state == "paused"}

    async def make() -> None:
        session.check()
        base = key_base(attached.address.actor)
        begin["until"] = attached.until
        life = await make_sentinel(session, attached.sentinel, attached.name, base, beside_first=beside_first, **begin)
        attached.replace_actor(*life)
        await open_sentinel(session, attached)

    end = asyncio.get_running_loop().time() + config.seconds("supervision.wait")
    try:
        await retry(make, f"making {attached.who} anew", end=end)
    except RETRYABLE as failure:
        raise error from failure
