"""Sentinels are attached, restarted, rewound and moved."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeAlias

from distributed import Actor, Future

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor, Position, SentinelActor
from akkordeon_dask.errors import (
    AkkordeonError,
    CheckpointError,
    ClosedError,
    DeadlineError,
    LostBatchesError,
    NonFiniteError,
    RolledBackError,
    SchedulerLostError,
    SpecError,
)
from akkordeon_dask.messages import Address, sentinel_key
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._column_names import name_columns
from akkordeon_dask.runtime._cut_short import finished, together
from akkordeon_dask.runtime._events import explain_loss, log_event, lost_text
from akkordeon_dask.runtime._gate_changes import change_gates
from akkordeon_dask.runtime._problems import blame
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._actor_calls import wait_until_created
from akkordeon_dask.runtime.cluster._payload import submitted
from akkordeon_dask.runtime.cluster._queries import worker_answers
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._versions import check_versions
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._links import check_links
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from akkordeon_dask.runtime.handles._sentinel_names import Reservation, release_name, reserve_name, restore_reservation
from akkordeon_dask.runtime.recovery._sentinel_placement import choose_worker

__all__ = ["attach", "attach_member", "drain_sentinel", "move_sentinel", "restart_sentinel"]

logger = logging.getLogger(__name__)

Recover: TypeAlias = Callable[[AttachedSentinel, AkkordeonError], Awaitable[None]]
Evacuate: TypeAlias = Callable[[AttachedSentinel], Awaitable[None]]

_REWINDS, _SLOWER = 5, 0.5
_LAST_ANSWER = 2.0
"""Seconds in which a worker that was silent answers a last question, before its sentinel counts as lost."""
_NO_PASS = 0
"""Passes of a sentinel that waits for epochs, before the first of them has ended."""


async def attach(session: Session, sentinel: Sentinel, resume: bool | None = None) -> AttachedSentinel:
    """Create a sentinel's actor, on the worker that it asks for or beside the first gate, and let it begin.

    Raises
    ------
    AkkordeonError
        see `Running.attach`; nothing is left then.
    """
    session.check()
    if resume and session.entry.snapshots is None:
        raise SpecError(f"network {session.name!r} keeps no snapshots, there is no position to resume: leave that out")
    reservation = await reserve_name(
        session.client, session.name, session.entry.run, session.network.names, sentinel, session.sentinels
    )
    session.own_keys.add(reservation.base)
    # A name that has been attached before begins again.
    first = session.resumed and reservation.name not in session.sentinel_specs
    until, validated = _NO_PASS if sentinel.rates_epochs else None, session.epochs.validate(reservation.name)
    known = session.entry.rollback.name if session.entry.rollback is not None else ""
    resume = first if resume is None else resume
    generation = session.entry.generation
    try:
        created = await _create(
            session, sentinel, reservation, until=until, validated=validated, resume=resume, rollback=known
        )
        attached = AttachedSentinel(
            sentinel,
            reservation,
            *created,
            changed=session.notify_waiters,
            report=session.add_pass,
            recover=partial(restart_sentinel, session),
            evacuate=partial(drain_sentinel, session),
        )
        attached.until, attached.validated = until, validated
        attached.rollback = known
        await session.add(attached, partial(_open, session, attached, generation))
        await _begin_rating(session, attached)
    except BaseException:
        session.own_keys.discard(reservation.base)
        await release_name(session.client, reservation.token)
        raise
    return attached


async def _begin_rating(session: Session, attached: AttachedSentinel) -> None:
    """Have training sentinels wait for it, where it rates their epochs; after an error it is detached."""
    try:
        await session.epochs.begin(attached)
    except BaseException:
        await session.detach(attached)
        raise


async def attach_member(
    session: Session,
    sentinel: Sentinel,
    reservation: Reservation,
    *,
    changed: Callable[[], None],
    recover: Recover,
    evacuate: Evacuate,
) -> AttachedSentinel:
    """Create a member of a group, which has the group's `reservation` and a name of its own.

    It rests until it gets an assignment.

    Raises
    ------
    AkkordeonError
        when it cannot be created, or does not answer; nothing is left then.
    """
    generation = session.entry.generation
    created = await _create(session, sentinel, reservation, until=0, member=sentinel.name)
    attached = AttachedSentinel(
        sentinel, reservation, *created, changed=changed, report=lambda report: None, recover=recover, evacuate=evacuate
    )
    attached.name = sentinel.name or reservation.name
    try:
        await _open(session, attached, generation)
    except BaseException:
        await attached.leave()
        raise
    attached.watch()
    return attached


async def _create(
    session: Session,
    sentinel: Sentinel,
    reservation: Reservation,
    *,
    position: Position | None = None,
    former: Address | None = None,
    until: int | None = None,
    paused: bool = False,
    validated: bool = False,
    beside_first: bool = False,
    resume: bool = False,
    rollback: str = "",
    first: Position | None = None,
    member: str | None = None,
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
    validated
        each of its passes is validated before the next one begins.
    resume
        it resumes where a sentinel of this name was in an earlier run, if its position is there.
    beside_first
        it goes to the worker of the first gate, whatever it asks for.
    rollback
        the last order to go back that `position` accounts for.
    first
        the position where its first incarnation has started.
    member
        its name in the group that has the reservation; None: it is in none.

    Raises
    ------
    PlacementError
        when the worker that it asks for is not there.
    SpecError
        when it asks to be beside a gate that is not there.
    DataError, DeploymentError
        when it cannot be created.
    """
    client, entry, name = session.client, session.entry, member or reservation.name
    worker = session.gates[0].worker
    if not beside_first:
        worker = await choose_worker(session, sentinel, name, insists=former is None)
    await check_versions(client, [worker])
    submission = submitted(
        client,
        SentinelActor,
        sentinel_key(reservation.base),
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
        validated=validated,
        policy=None if member else entry.snapshots,
        rollback=rollback,
        first=first,
        member=member is not None,
        synchronous=entry.n_microbatches is not None,
        begun=entry.deployed_at,
        columns=session.columns.joined(reservation.known),
        resume=[policy for policy in (entry.snapshots, entry.resumed_from) if resume and policy is not None],
    )
    label, limit = f"sentinel {name!r} on {worker}", config.seconds("timeouts.load")
    async with submission as future:
        return worker, future, await wait_until_created(future, SentinelActor, worker, label, limit)


async def _open(session: Session, attached: AttachedSentinel, generation: int) -> None:
    """Let a sentinel begin that was created when the network's owner was of this generation."""
    gates, rollback = session.addresses, session.entry.rollback
    there = {worker.address for worker in await list_workers(session.client)}  # others are restarted elsewhere
    reached = [gate for gate in session.gates if gate.worker in there]
    routes = [(attached, gate) for gate in reached] + [(gate, attached) for gate in reached]
    await check_links(session.client, routes)
    opening = await attached.poll(config.seconds("timeouts.first-batch"), SentinelActor.open, gates, rollback)
    if opening.gone_back is not None and rollback is not None:
        await _mark(session, attached, opening.gone_back, rollback.name)
    await name_columns(session, attached, opening.columns)
    entry = session.entry
    # A gate may have been restarted or moved meanwhile, or the network have another owner.
    if (gates, generation) != (session.addresses, entry.generation):
        await attached.ask(SentinelActor.rewire, session.addresses, entry.generation, entry.rollback)


async def _mark(session: Session, attached: AttachedSentinel, position: Position, rollback: str) -> None:
    """Mark the passes of a sentinel that are made again, because it has gone back."""
    attached.go_back(position, rollback)
    session.passes.roll_back(attached.name, position.finished)
    text = f"resumes {position}, as all gates do: later passes are made again"
    finished = position.finished
    await log_event(session.client, session.name, "rolled back", sentinel=attached.name, text=text, finished=finished)


async def restart_sentinel(session: Session, attached: AttachedSentinel, error: AkkordeonError) -> None:
    """Restart a lost sentinel at the position that it reported last, at most a second ago.

    Raises
    ------
    AkkordeonError
        the error, where the network keeps no snapshots, or it cannot be restarted within `supervision.wait`.
    """
    if isinstance(error, NonFiniteError):
        await _rewind(session, attached, error)
        return
    if isinstance(error, RolledBackError):
        await _go_back(session, attached, error)
        return
    if isinstance(error, LostBatchesError):
        raise await blame(session, error)
    if isinstance(error, SchedulerLostError):
        await session.scheduler_loss.survive(error)
        if not attached.forgotten:
            return
        error = session.scheduler_loss.error or error
        await restore_reservation(session.client, attached.reservation)
    if isinstance(error, DeadlineError) and await worker_answers(session.client, attached.worker, _LAST_ANSWER):
        return
    if not (session.policy.restarts or isinstance(error, SchedulerLostError)) or attached.sentinel.mode == "predict":
        raise await explain_loss(session.client, attached.worker, error)
    begun, position, worker = asyncio.get_running_loop().time(), attached.position, attached.worker
    known = attached.rollback
    await _log(session, attached, "lost", lost_text(worker))
    await _restart_at(session, attached, position, error, rollback=known)
    seconds = asyncio.get_running_loop().time() - begun
    error = await explain_loss(session.client, worker, error)
    text = f"on {attached.worker} after {seconds:.2f} s, resumes {position}: {error}"
    await _log(session, attached, "restarted", text)


async def _go_back(session: Session, attached: AttachedSentinel, error: RolledBackError) -> None:
    """Restart a sentinel where it was at a cut to which all gates have gone back."""
    await _mark(session, attached, attached.reported_position, error.rollback)
    await _close(attached)
    await _restart_at(session, attached, attached.position, error)


async def _close(attached: AttachedSentinel) -> None:
    try:
        await attached.ask(SentinelActor.close)
    except AkkordeonError as failure:  # its worker may be gone by now
        logger.info("closing the former incarnation of %s: %s", attached.label, failure)


async def _rewind(session: Session, attached: AttachedSentinel, error: AkkordeonError) -> None:
    """Rewind all gates to their newest snapshots, with smaller learning rates; the sentinel begins its pass again.

    Numbers that went wrong fail all sentinels at about the same time: the gates are rewound once for all of them.
    """
    async with session.cutting:
        event, text = "restarted", "begins its pass again, for all gates were rewound since it has failed"
        if not attached.rewound:
            event, text = "rewound", await _rewind_gates(session, attached, error)
        position = await _begin_of_pass(attached)
        await _close(attached)
    await _restart_at(session, attached, position, error)
    await _log(session, attached, event, f"{text}: {error}")


async def _begin_of_pass(attached: AttachedSentinel) -> Position:
    """The begin of its present pass; a stream does not give again what it has given for it, so that counts as lost."""
    position = Position(attached.position.finished)
    return position.with_lost(await attached.ask(SentinelActor.abandoned)) if attached.sentinel.endless else position


async def _rewind_gates(session: Session, attached: AttachedSentinel, error: AkkordeonError) -> str:
    attached.rewinds += 1
    if attached.rewinds > _REWINDS:
        raise error
    try:
        numbers = await change_gates(session, GateActor.rewind, _SLOWER)
    except CheckpointError as missing:
        raise type(error)(f"{error} ({missing})") from missing
    members = [one for group in session.sentinels.values() for one in group.members]
    await together(_resend(one) for one in members if isinstance(one, AttachedSentinel) and one is not attached)
    updates = ", ".join(f"{name} to {number:,}" for name, number in numbers.items())
    return f"{updates} updates, with learning rates times {_SLOWER}"


async def _resend(attached: AttachedSentinel) -> None:
    try:
        attached.rewound = await attached.ask(SentinelActor.resend)
    except AkkordeonError as error:  # its next poll fails the same way
        logger.info("%s did not resend its batches: %s", attached.label, error)


async def move_sentinel(session: Session, attached: AttachedSentinel, worker: str) -> None:
    """Move a sentinel from this worker to that of the first gate, with the batches that it had not finished.

    A caller who is cut short does not leave it stopped: all of it happens.
    """
    await finished(_move_from(session, attached, worker))


async def _move_from(session: Session, attached: AttachedSentinel, worker: str) -> None:
    async with attached.moving:
        if attached.worker != worker:  # somebody else has moved it
            return
        async with attached.unfollowed():
            await _move(session, attached, beside_first=True)


async def _move(session: Session, attached: AttachedSentinel, *, beside_first: bool = False) -> None:
    source = attached.worker
    await attached.retire()
    stopped = ClosedError(f"{attached.label} was stopped to move, and no worker took it")
    try:
        await _restart_at(session, attached, attached.position, stopped, beside_first=beside_first)
    except ClosedError as error:
        if error is stopped:
            raise ClosedError(f"{error}: {error.__cause__}") from error.__cause__
        raise
    await _log(session, attached, "moved", f"from {source} to {attached.worker}")


async def drain_sentinel(session: Session, attached: AttachedSentinel) -> None:
    """Move a sentinel off a worker that shuts down; where that is not possible, the worker learns why."""
    session.draining_workers.add(attached.worker)
    try:
        await choose_worker(session, attached.sentinel, attached.name)
    except (AkkordeonError, OSError) as error:
        logger.warning("%s stays on a worker that shuts down: %s", attached.label, error)
        await attached.ask(SentinelActor.acknowledge_drain, str(error))
        await _log(session, attached, "stays", f"on {attached.worker}, which shuts down: {error}")
        return
    await attached.ask(SentinelActor.acknowledge_drain)
    await _move(session, attached)


async def _restart_at(
    session: Session,
    attached: AttachedSentinel,
    position: Position,
    error: AkkordeonError,
    *,
    beside_first: bool = False,
    rollback: str | None = None,
) -> None:
    """Restart it; `rollback`: the last order to go back that the position accounts for, else that of `attached`."""
    former, paused = attached.address, attached.state == "paused"
    known = attached.rollback if rollback is None else rollback

    async def restart() -> None:
        session.check()
        generation = session.entry.generation
        created = await _create(
            session,
            attached.sentinel,
            attached.reservation,
            position=position,
            former=former,
            until=attached.until,
            paused=paused,
            validated=attached.validated,
            beside_first=beside_first,
            rollback=known,
            first=attached.first,
        )
        attached.replace_actor(*created)
        await _open(session, attached, generation)

    lost = isinstance(error, SchedulerLostError)
    end = asyncio.get_running_loop().time() + config.seconds("supervision.scheduler" if lost else "supervision.wait")
    try:
        await retry(restart, f"restarting {attached.label}", end=end)
    except (*RETRYABLE, SchedulerLostError) as failure:
        if not await session.scheduler_loss.was_lost(failure):
            raise error from failure
        lost_again = session.scheduler_loss.error or SchedulerLostError(str(failure))
        await restore_reservation(session.client, attached.reservation)
        await _restart_at(session, attached, position, lost_again, beside_first=beside_first, rollback=known)


async def _log(session: Session, attached: AttachedSentinel, event: str, text: str) -> None:
    await log_event(session.client, session.name, event, sentinel=attached.name, text=text)
