"""The members of a group: the sentinels that read its partitions, one on each worker that takes part."""

import asyncio
import logging
from dataclasses import dataclass, replace

from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.data import Collections
from akkordeon_dask.errors import AkkordeonError, PlacementError, WorkerLostError
from akkordeon_dask.network import Sentinel
from akkordeon_dask.placement import GUEST
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import RETRYABLE
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.collections._news import News
from akkordeon_dask.runtime.collections._resolve import Partitions
from akkordeon_dask.runtime.collections._source import AssignedPartitions
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from akkordeon_dask.runtime.handles._sentinel_names import Reservation
from akkordeon_dask.runtime.recovery._sentinels import attach_member

__all__ = ["Member", "Members"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Member:
    """A sentinel of a group."""

    attached: AttachedSentinel
    first: int = 0
    """The sequence of the first batch of its next assignment."""
    reading: bool = False
    """It has one."""


class Members:
    """The members of a group by their workers' addresses: workers that come are added, those that go are dropped.

    Parameters
    ----------
    sentinel
        the group's own spec, of whose collections each member reads a share.
    reservation
        the group's, under which all members work.
    news
        of the members.
    """

    def __init__(
        self, session: Session, sentinel: Sentinel, reservation: Reservation, partitions: Partitions, news: News
    ) -> None:
        self._session, self._sentinel, self._reservation = session, sentinel, reservation
        self._partitions, self._news = partitions, news
        self._members: dict[str, Member] = {}
        self._made = 0
        self._present: set[str] = set()
        """Workers that were there when the group was attached."""

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, worker: str) -> Member:
        return self._members[worker]

    @property
    def workers(self) -> list[str]:
        """The addresses of the members' workers."""
        return list(self._members)

    @property
    def attached(self) -> tuple[AttachedSentinel, ...]:
        """The handles of all members."""
        return tuple(member.attached for member in self._members.values())

    @property
    def reading(self) -> list[AttachedSentinel]:
        """The handles of those that have an assignment."""
        return [member.attached for member in self._members.values() if member.reading]

    async def begin(self) -> None:
        """Make the first members.

        Raises
        ------
        PlacementError
            when there is no worker for any.
        """
        self._present = {worker.address for worker in await list_workers(self._session.client)}
        await self.gather()

    async def gather(self) -> None:
        """Make a member on each worker that holds partitions or has come since; on all, where nobody holds any.

        Raises
        ------
        PlacementError
            when there is no member then.
        """
        session, homes = self._session, await self._partitions.homes(self._session.client)
        there = [one for one in await list_workers(session.client) if not one.paused and GUEST not in one.resources]
        addresses = [one.address for one in there if one.address not in session.draining_workers]
        holders = {worker for workers in homes.values() for worker in workers}
        if holders:
            addresses = [one for one in addresses if one in holders or one not in self._present]
        most = len(self._partitions.parts)
        fresh = [one for one in addresses if one not in self._members][: max(0, most - len(self._members))]
        await together(map(self._add, fresh))
        if not self._members:
            label = f"group {self._reservation.name!r}"
            raise PlacementError(f"{label} has no worker that could read: start one with `dask worker`")

    async def _add(self, worker: str) -> None:
        self._made += 1
        data = self._sentinel.provider
        assert isinstance(data, Collections)
        provider = AssignedPartitions(repr(data), data.labelled, data.columns)
        name = f"{self._reservation.name}.{self._made}"
        sentinel = replace(self._sentinel, provider=provider, workers=worker, name=name, epochs=None)
        try:
            attached = await attach_member(
                self._session,
                sentinel,
                self._reservation,
                changed=self._news.wake,
                recover=_give_up,
                evacuate=self._release,
            )
        except RETRYABLE as error:
            logger.info("group %r has no member on %s: %s", self._reservation.name, worker, error)
            return
        self._members[worker] = Member(attached)

    def drop(self, worker: str) -> None:
        """Forget a member that is lost; nothing where there is none on this worker."""
        self._members.pop(worker, None)

    async def abandon(self, worker: str) -> None:
        """Have the member on a worker stop there: the others read on."""
        member = self._members.get(worker)
        if member is None:
            return
        await member.attached.unwatch()
        try:
            await self._release(member.attached)
        except AkkordeonError as error:
            member.attached.error = error
        self._news.wake()

    async def _release(self, attached: AttachedSentinel) -> None:
        """A member's worker shuts down: the others read on.

        One that reads is not stopped here: gates would forget its batches before they are asked what they have seen.

        Raises
        ------
        WorkerLostError
            always: the member has to do nothing more there.
        """
        self._session.draining_workers.add(attached.worker)
        await attached.ask(SentinelActor.acknowledge_drain)
        member = self._members.get(attached.worker)
        if member is None or not member.reading:
            await attached.retire()
        raise WorkerLostError(f"{attached.label}: its worker shuts down")

    async def leave(self, *, reachable: bool = True) -> None:
        """End all members; no error for those that are gone already."""
        leaving = [one.leave(reachable=reachable) for one in self.attached]
        for result in await asyncio.gather(*leaving, return_exceptions=True):
            if isinstance(result, BaseException):
                logger.info("closing a member of group %r: %r", self._reservation.name, result)
        self._members.clear()


async def _give_up(attached: AttachedSentinel, error: AkkordeonError) -> None:
    """A lost member is not restarted: others read on."""
    raise error
