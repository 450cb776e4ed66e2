"""An epoch of a group: its rows are handed out as assignments until all are read, and counted."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import replace

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor, SeenBatches, SentinelActor
from akkordeon_dask.data import Assignment, Collections, Portion
from akkordeon_dask.errors import ClosedError, DataError, LostBatchesError
from akkordeon_dask.messages import PassProgress, PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime._problems import blame
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.collections._epoch_sums import EpochSums, remains
from akkordeon_dask.runtime.collections._members import Member, Members
from akkordeon_dask.runtime.collections._news import News
from akkordeon_dask.runtime.collections._resolve import Partitions
from akkordeon_dask.runtime.collections._shares import share_concurrency, share_portions
from akkordeon_dask.runtime.handles._attached_handle import GONE
from akkordeon_dask.runtime.handles._gate import GateHandle
from akkordeon_dask.runtime.handles._sentinel_names import Reservation

__all__ = ["Epoch"]

logger = logging.getLogger(__name__)


class Epoch:
    """One pass of all members together over the partitions.

    The rows that a lost member had not read go to the others, within the epoch.

    Parameters
    ----------
    number
        from 1 on.
    news
        of the members.
    """

    def __init__(
        self,
        number: int,
        session: Session,
        sentinel: Sentinel,
        partitions: Partitions,
        members: Members,
        news: News,
    ) -> None:
        assert isinstance(sentinel.provider, Collections)
        self.number, self._data, self._sentinel = number, sentinel.provider, sentinel
        self._session, self._partitions, self._members, self._news = session, partitions, members, news
        self._sums, self._begun = EpochSums(sentinel), time.monotonic()
        self._rows = sum(partitions.rows)

    @property
    def progress(self) -> PassProgress:
        """The rows that all members have done so far, and their mean loss."""
        own = [one for one in (member.progress for member in self._members.reading) if one is not None]
        samples = self._sums.done + sum(one.samples for one in own)
        rated = [one for one in own if one.samples and one.loss == one.loss]
        losses = [(one.loss, one.samples) for one in rated]
        if self._sums.weight:
            losses.append((self._sums.mean_loss, self._sums.rated))
        many, total = sum(many for _, many in losses), sum(loss * many for loss, many in losses)
        mean = total / many if many else float("nan")
        return PassProgress(self.number, samples, self._rows, mean, {}, time.monotonic() - self._begun)

    async def read(self) -> None:
        """Have all rows read once.

        Raises
        ------
        AkkordeonError
            when no worker can read them, all are lost, or what a member met with other than its end.
        """
        left = [Portion(number, many) for number, many in enumerate(self._partitions.rows) if many]
        while left:
            await self._members.gather()
            left = await self._round(left)
        if not self._sums.done:
            raise LostBatchesError(
                f"epoch {self.number} has read none of the {self._rows:,} rows of {self._data!r}: the cluster has lost "
                "all its partitions, and Dask cannot compute them again: persist or scatter them anew"
            )
        if self._data.weights is not None and self._sums.rated and not self._sums.weight:
            raise DataError(f"{self._data!r}: all weights are 0, so that no row counts: give some a weight above 0")

    def report(self, reservation: Reservation) -> PassReport:
        """The whole epoch as one pass of the group, which ends now."""
        now, seconds = time.time(), time.monotonic() - self._begun
        key = f"{reservation.base}-group"
        report = self._sums.report(reservation.name, self.number, self._rows, seconds=seconds, ended=now, key=key)
        return replace(report, elapsed=max(0.0, now - self._session.entry.deployed_at))

    async def _round(self, portions: Iterable[Portion]) -> list[Portion]:
        """Share portions among the members; returns those that members who were lost have not read."""
        data, homes = self._data, await self._partitions.homes(self._session.client)
        order = (data.seed, self.number) if data.shuffle_buffer else None
        shares = share_portions(portions, self._members.workers, homes, order)
        assignments = []
        for many, (worker, own) in zip(
            share_concurrency(self._sentinel.concurrency, len(shares)), shares.items(), strict=True
        ):
            parts = {portion.partition: self._partitions.parts[portion.partition] for portion in own}
            assignment = Assignment(self.number, own, data.seed, data.shuffle_buffer, many, parts)
            assignments.append(self._read(worker, self._members[worker], assignment))
        return [portion for own in await together(assignments) for portion in own]

    async def _read(self, worker: str, member: Member, assignment: Assignment) -> tuple[Portion, ...]:
        """Have a member read its assignment; returns the portions that it has left."""
        attached, seen = member.attached, member.attached.reports.seen
        attached.progress, member.reading = None, True
        try:
            await attached.ask(SentinelActor.read, assignment)
        except GONE as error:
            logger.info("%s: %s", attached.label, error)
        else:
            await self._news.wait_for(lambda: attached.reports.seen > seen or attached.error is not None)
        member.reading = False
        if attached.reports.seen > seen and (ended := attached.ended_pass) is not None:
            self._sums.add(ended)
            member.first = ended.first + ended.drawn
            return ()
        if isinstance(attached.error, LostBatchesError):
            raise await blame(self._session, attached.error)
        if attached.error is not None and not isinstance(attached.error, GONE):
            raise attached.error
        return await self._give_back(worker, member, assignment)

    async def _give_back(self, worker: str, member: Member, assignment: Assignment) -> tuple[Portion, ...]:
        """Count the rows that a lost member has done; returns those of its assignment that no gate has seen."""
        attached, session, gates = member.attached, self._session, self._session.gates
        self._members.drop(worker)
        actor = attached.address.actor
        seen = await together([self._fence(gate, actor, member.first) for gate in gates])
        by_gate = dict(zip([gate.name for gate in gates], seen, strict=True))
        known = next((one for one in attached.position.passes if one.first == member.first), None)
        size = self._sentinel.batch_size
        known, unrated, left = remains(assignment, size, member.first, known, by_gate, gates[0].name)
        self._sums.add(known, unrated)
        await attached.leave()
        text = f"{worker} is gone: others read the {sum(portion.left for portion in left):,} rows that it had left"
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
