"""A group of sentinels that train from the partitions of one data set, and the handle that stands for all of them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Concatenate, ParamSpec, TypeVar

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor, SeenBatches, SentinelActor
from akkordeon_dask.data import Collections, Lease, Piece
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DataError,
    DeadlineError,
    LostBatchesError,
    PlacementError,
    SentinelError,
    WorkerLostError,
)
from akkordeon_dask.messages import PassProgress
from akkordeon_dask.network import Sentinel
from akkordeon_dask.placement import GUEST
from akkordeon_dask.runtime._events import log_event, log_pass
from akkordeon_dask.runtime._problems import blame
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.collections._epoch_sums import EpochSums, remains
from akkordeon_dask.runtime.collections._resolve import Partitions
from akkordeon_dask.runtime.collections._shares import share_concurrency, share_pieces
from akkordeon_dask.runtime.collections._source import LeasedPartitions
from akkordeon_dask.runtime.handles._gate import GateHandle
from akkordeon_dask.runtime.handles._sentinel import Attached
from akkordeon_dask.runtime.handles._sentinel_names import Claim
from akkordeon_dask.runtime.recovery._sentinels import attach_member
from akkordeon_dask.telemetry import PassLog

__all__ = ["AttachedGroup"]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_KEPT = 10_000
"""Passes that are kept; of more the older ones are thinned."""
_GONE = (WorkerLostError, DeadlineError, ClosedError)
"""Errors of a member whose unread rows others read."""


@dataclass(slots=True)
class _Member:
    """A sentinel of the group."""

    attached: Attached
    first: int = 0
    """The sequence of the first batch of its next lease."""
    reading: bool = False
    """It has one."""


class AttachedGroup(Attached):
    """A group of sentinels at work, one on each worker that holds partitions or computes them.

    A task on the client's event loop hands out the rows of an epoch as leases, one for each member. The rows that a
    lost member had not read go to the others, within the epoch; workers that have come get a share of the next one.
    `members` are the sentinels themselves.
    """

    _kind = "group"

    def __init__(self, session: Session, sentinel: Sentinel, claim: Claim, partitions: Partitions) -> None:
        assert isinstance(sentinel.provider, Collections)
        super().__init__(
            sentinel,
            claim,
            "",
            None,
            None,
            changed=session.notify_waiters,
            report=session.add_pass,
            recover=_give_up,
            evacuate=_stay,
        )
        self._session, self._data, self._partitions = session, sentinel.provider, partitions
        self.reports = PassLog(_KEPT, _KEPT)
        self._members: dict[str, _Member] = {}
        self._made = 0
        self._present: set[str] = set()
        """Workers that were there when it was attached."""
        self._sums: EpochSums | None = None
        """Of the open epoch."""
        self._begun = 0.0
        self._cleared = 0
        """Epochs that are validated, where they are."""
        self._news = asyncio.Event()
        self._left = False

    # The handle

    def __repr__(self) -> str:
        return f"<group {self.name!r}: {self.state}, {self.reports.seen} passes, {len(self._members)} members>"

    @property
    def label(self) -> str:
        return f"group {self.name!r}"

    @property
    def members(self) -> tuple[Attached, ...]:
        return tuple(member.attached for member in self._members.values())

    @property
    def limit(self) -> int | None:
        """Epochs after which it rests."""
        return min((one for one in (self.sentinel.epochs, self.until) if one is not None), default=None)

    @property
    def progress(self) -> PassProgress | None:
        """The open epoch over all members; None between two."""
        if self._sums is None:
            return None
        reading = [member.attached.progress for member in self._members.values() if member.reading]
        own = [one for one in reading if one is not None]
        samples = self._sums.done + sum(one.samples for one in own)
        rated = [one for one in own if one.samples and one.loss == one.loss]
        losses = [(one.loss, one.samples) for one in rated]
        if self._sums.weight:
            losses.append((self._sums.mean_loss, self._sums.rated))
        many, total = sum(many for _, many in losses), sum(loss * many for loss, many in losses)
        rows, seconds = sum(self._partitions.rows), time.monotonic() - self._begun
        return PassProgress(self.reports.seen + 1, samples, rows, total / many if many else float("nan"), {}, seconds)

    @progress.setter
    def progress(self, value: PassProgress | None) -> None:
        """The members' own counts."""

    async def count(self, epochs: int | None) -> None:
        self.until = None if epochs is None else self.reports.seen + epochs
        if epochs is not None:
            await self.resume()
        if self.error is None and self.state != "paused":
            self.state = "running"
        self._wake()

    async def validate_passes(self) -> None:
        self._cleared = self.reports.seen

    async def clear(self, finished: int) -> None:
        self._cleared = max(self._cleared, finished)
        self._wake()

    async def rest(self) -> None:
        self.until, self.stopped = self.reports.seen + (self._sums is not None), True
        self._wake()

    async def pause(self) -> None:
        """Begin no batch; returns when those in flight are back."""
        if self.state in ("running", "resting"):
            self.state = "paused"
        await asyncio.gather(*(one.ask(SentinelActor.pause) for one in self.members), return_exceptions=True)

    async def resume(self) -> None:
        if self.state == "paused":
            self.state = "running"
            await asyncio.gather(*(one.resume() for one in self.members))
            self._wake()

    def watch(self) -> None:
        if self._task is None and not self._left:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def leave(self, *, reachable: bool = True) -> None:
        self._left = True
        await self._unwatch()
        leaving = [one.leave(reachable=reachable) for one in self.members]
        for result in await asyncio.gather(*leaving, return_exceptions=True):
            if isinstance(result, BaseException):
                logger.info("closing a member of %s: %r", self.label, result)
        self._members.clear()
        self.state = "left"

    async def ask(
        self, method: Callable[Concatenate[SentinelActor, P], Awaitable[T]], *args: P.args, **options: P.kwargs
    ) -> T:
        raise ClosedError(f"{self.label} has no actor of its own: ask its members")

    def _wake(self) -> None:
        self._news.set()
        self._changed()

    async def abandon(self, worker: str) -> bool:
        member = self._members.get(worker)
        if member is not None:
            await member.attached.unwatch()
            try:
                await self._release_worker(member.attached)
            except AkkordeonError as error:
                member.attached.error = error
            self._wake()
        return True

    # The work

    async def begin(self) -> None:
        """Make the first members.

        Raises
        ------
        AkkordeonError
            when there are none.
        """
        self._present = {worker.address for worker in await list_workers(self._session.client)}
        await self._gather_members()
        self._check_members()

    async def _run(self) -> None:
        try:
            while True:
                await self._wait_for(self._due)
                await self._epoch()
        except AkkordeonError as error:
            self.state, self.error = "failed", error
        except Exception as error:
            logger.exception("%s", self.label)
            self.state, self.error = "failed", SentinelError(f"{self.label}: {error!r}")
        if self.error is not None:
            await asyncio.gather(*(one.leave() for one in self.members), return_exceptions=True)
        self._changed()

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()

    def _due(self) -> bool:
        if self.state in ("running", "resting"):
            done = self.limit is not None and self.reports.seen >= self.limit
            if done != (self.state == "resting"):
                self.state = "resting" if done else "running"
                self._changed()
        return self.state == "running" and (not self.validated or self.reports.seen <= self._cleared)

    async def _epoch(self) -> None:
        """Have all rows read once."""
        epoch, rows = self.reports.seen + 1, self._partitions.rows
        self._sums, self._begun = EpochSums(self.sentinel), time.monotonic()
        left = [Piece(number, many) for number, many in enumerate(rows) if many]
        while left:
            await self._gather_members()
            self._check_members()
            left = await self._round(epoch, left)
        if self._data.weights is not None and self._sums.rated and not self._sums.weight:
            raise DataError(f"{self._data!r}: all weights are 0, so that no row counts: give some a weight above 0")
        await self._end_epoch(self._sums, epoch, sum(rows))

    async def _end_epoch(self, sums: EpochSums, epoch: int, rows: int) -> None:
        now, session = time.time(), self._session
        seconds, key = time.monotonic() - self._begun, f"{self.claim.base}-group"
        report = sums.report(self.name, epoch, rows, seconds=seconds, ended=now, key=key)
        self._sums = None
        report = replace(report, elapsed=max(0.0, now - session.entry.deployed_at))
        self.reports.append(report)
        self._report(report)
        self._due()
        self._changed()
        await log_pass(session.client, session.name, report)
        if report.lost:
            text = f"epoch {epoch}: {report.lost:,} of {rows:,} rows"
            await log_event(session.client, session.name, "lost", sentinel=self.name, text=text)

    async def _round(self, epoch: int, pieces: Iterable[Piece]) -> list[Piece]:
        """Share pieces among the members; returns those that members who were lost have not read."""
        data, homes = self._data, await self._partitions.homes(self._session.client)
        order = (data.seed, epoch) if data.shuffle_buffer else None
        shares = share_pieces(pieces, list(self._members), homes, order)
        leases = []
        for many, (worker, own) in zip(
            share_concurrency(self.sentinel.concurrency, len(shares)), shares.items(), strict=True
        ):
            parts = {piece.partition: self._partitions.parts[piece.partition] for piece in own}
            lease = Lease(epoch, own, data.seed, data.shuffle_buffer, many, parts)
            leases.append(self._read(worker, self._members[worker], lease))
        return [piece for own in await _all(leases) for piece in own]

    async def _read(self, worker: str, member: _Member, lease: Lease) -> tuple[Piece, ...]:
        """Have a member read its lease; returns the pieces that it has left."""
        attached, seen = member.attached, member.attached.reports.seen
        attached.progress, member.reading = None, True
        try:
            await attached.ask(SentinelActor.read, lease)
        except _GONE as error:
            logger.info("%s: %s", attached.label, error)
        else:
            await self._wait_for(lambda: attached.reports.seen > seen or attached.error is not None)
        member.reading = False
        assert self._sums is not None
        if attached.reports.seen > seen and (ended := attached.ended_pass) is not None:
            self._sums.add(ended)
            member.first = ended.first + ended.drawn
            return ()
        if isinstance(attached.error, LostBatchesError):
            raise await blame(self._session, attached.error)
        if attached.error is not None and not isinstance(attached.error, _GONE):
            raise attached.error
        return await self._give_back(worker, member, lease)

    async def _give_back(self, worker: str, member: _Member, lease: Lease) -> tuple[Piece, ...]:
        """Count what a lost member has done; returns what no gate has seen of its lease."""
        attached, session, gates = member.attached, self._session, self._session.gates
        self._members.pop(worker, None)
        actor = attached.address.actor
        seen = await _all([self._fence(gate, actor, member.first) for gate in gates])
        by_gate = dict(zip([gate.name for gate in gates], seen, strict=True))
        known = next((one for one in attached.position.passes if one.first == member.first), None)
        size = self.sentinel.batch_size
        known, unrated, left = remains(lease, size, member.first, known, by_gate, gates[0].name)
        assert self._sums is not None
        self._sums.add(known, unrated)
        await attached.leave()
        text = f"{worker} is gone: others read the {sum(piece.left for piece in left):,} rows that it had left"
        await log_event(session.client, session.name, "left", sentinel=attached.name, text=text)
        return left

    async def _fence(self, gate: GateHandle, actor: str, first: int) -> SeenBatches:
        """Let a gate take nothing more of a member; one that is lost too is restarted before."""
        session = self._session

        async def attempt() -> SeenBatches:
            session.check()
            return await gate.ask(GateActor.fence, actor, first)

        async def hopeless(error: Exception) -> bool:
            return session.error is not None

        wait = config.seconds("supervision.wait" if session.policy.restarts else "timeouts.control")
        end = asyncio.get_running_loop().time() + wait
        return await retry(
            attempt, f"asking {gate.label}", end=end, retryable=(*RETRYABLE, ClosedError), hopeless=hopeless
        )

    # Members

    def _check_members(self) -> None:
        if not self._members:
            raise PlacementError(f"{self.label} has no worker that could read: start one with `dask worker`")

    async def _gather_members(self) -> None:
        """Make a member on each worker that holds partitions or has come since; all, where nobody holds any."""
        session, homes = self._session, await self._partitions.homes(self._session.client)
        there = [one for one in await list_workers(session.client) if not one.paused and GUEST not in one.resources]
        addresses = [one.address for one in there if one.address not in session.draining_workers]
        holders = {worker for workers in homes.values() for worker in workers}
        if holders:
            addresses = [one for one in addresses if one in holders or one not in self._present]
        most = len(self._partitions.parts)
        fresh = [one for one in addresses if one not in self._members][: max(0, most - len(self._members))]
        await asyncio.gather(*map(self._add_member, fresh))

    async def _add_member(self, worker: str) -> None:
        self._made += 1
        data = self._data
        labelled = data.y is not None or data.target is not None
        provider = LeasedPartitions(repr(data), labelled, data.target, data.columns)
        name = f"{self.name}.{self._made}"
        sentinel = replace(self.sentinel, provider=provider, workers=worker, name=name, epochs=None)
        try:
            attached = await attach_member(
                self._session, sentinel, self.claim, changed=self._wake, recover=_give_up, evacuate=self._release_worker
            )
        except RETRYABLE as error:
            logger.info("%s has no member on %s: %s", self.label, worker, error)
            return
        self._members[worker] = _Member(attached)

    async def _release_worker(self, attached: Attached) -> None:
        """A member's worker shuts down: the others read on.

        One that reads is not stopped here: gates would forget its batches before they are asked what they have seen.
        """
        self._session.draining_workers.add(attached.worker)
        await attached.ask(SentinelActor.acknowledge_drain)
        member = self._members.get(attached.worker)
        if member is None or not member.reading:
            await attached.retire()
        raise WorkerLostError(f"{attached.label}: its worker shuts down")


async def _give_up(attached: Attached, error: AkkordeonError) -> None:
    """A lost member is not restarted: others read on."""
    raise error


async def _stay(attached: Attached) -> None:
    """A group has no worker to leave."""


async def _all(coroutines: Iterable[Awaitable[T]]) -> list[T]:
    """The results of all; after an error none of the others is left running."""
    tasks = [asyncio.ensure_future(one) for one in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
