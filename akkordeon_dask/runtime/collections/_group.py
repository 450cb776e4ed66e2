"""The handle of a group of sentinels that train from the partitions of one data set, epoch after epoch."""

import asyncio
import logging

from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import AkkordeonError, SentinelError
from akkordeon_dask.messages import PassProgress
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.runtime._events import log_event, log_pass
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.collections._epoch import Epoch
from akkordeon_dask.runtime.collections._members import Members
from akkordeon_dask.runtime.collections._news import News
from akkordeon_dask.runtime.collections._resolve import Partitions
from akkordeon_dask.runtime.handles._attached_handle import Attached
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from akkordeon_dask.runtime.handles._sentinel_names import Reservation

__all__ = ["AttachedGroup"]

logger = logging.getLogger(__name__)


class AttachedGroup(Attached):
    """A group of sentinels at work, one on each worker that holds partitions or computes them.

    A task on the client's event loop hands out the rows of an epoch as assignments, one for each member. The rows that
    a lost member had not read go to the others, within the epoch; workers that have come get a share of the next one.
    `members` are the sentinels themselves.
    """

    def __init__(self, session: Session, sentinel: Sentinel, reservation: Reservation, partitions: Partitions) -> None:
        super().__init__(sentinel, reservation, changed=session.notify_waiters, report=session.add_pass)
        self._session, self._partitions = session, partitions
        self._news = News(session.notify_waiters)
        self._members = Members(session, sentinel, reservation, partitions, self._news)
        self._epoch: Epoch | None = None
        """The open one."""
        self._cleared = 0
        """Epochs that are validated, where they are."""
        self._left = False

    def __repr__(self) -> str:
        return f"<group {self.name!r}: {self.state}, {self.reports.seen} passes, {len(self._members)} members>"

    @property
    def label(self) -> str:
        """Its name in errors and logs."""
        return f"group {self.name!r}"

    @property
    def members(self) -> tuple[AttachedSentinel, ...]:
        """The sentinels at work."""
        return self._members.attached

    @property
    def actors(self) -> tuple[AttachedSentinel, ...]:
        """The same, as the handles of their actors."""
        return self._members.attached

    @property
    def progress(self) -> PassProgress | None:
        """The open epoch over all members; None between two."""
        return None if self._epoch is None else self._epoch.progress

    async def begin(self) -> None:
        """Make the first members.

        Raises
        ------
        AkkordeonError
            when there are none.
        """
        await self._members.begin()

    def watch(self) -> None:
        """Begin to train, once. On the client's event loop."""
        if self._task is None and not self._left:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def count(self, epochs: int | None) -> None:
        """Let it make `epochs` more epochs, at most as many as its spec has; None: as many as its spec has."""
        self.until = None if epochs is None else max(self.reports.seen + epochs, self._awaited)
        if epochs is not None:
            await self.resume()
        if self.error is None and self.state != "paused":
            self.state = "running"
        self._news.wake()

    async def pause(self) -> None:
        """Begin no batch; returns when those in flight are back."""
        if self.state in ("running", "resting"):
            self.state = "paused"
        await asyncio.gather(*(one.ask(SentinelActor.pause) for one in self.members), return_exceptions=True)

    async def resume(self) -> None:
        """Resume all members after a pause."""
        if self.state == "paused":
            self.state = "running"
            await together(one.resume() for one in self.members)
            self._news.wake()

    async def rest(self) -> None:
        """Let it rest at the end of the open epoch."""
        self.until, self.stopped = self.reports.seen + (self._epoch is not None), True
        self._news.wake()

    async def validate_passes(self) -> None:
        """Have each epoch from now on validated before the next one begins."""
        self._cleared = self.reports.seen

    async def clear(self, finished: int) -> None:
        """So many epochs are validated: the next one may begin."""
        self._cleared = max(self._cleared, finished)
        self._news.wake()

    async def abandon(self, worker: str) -> None:
        """Leave a worker for good: the other members read on."""
        await self._members.abandon(worker)

    async def leave(self, *, reachable: bool = True) -> None:
        """End all members; no error when they are gone already."""
        self._left = True
        await self._unwatch()
        await self._members.leave(reachable=reachable)
        self.state = "left"

    async def _run(self) -> None:
        try:
            while True:
                await self._news.wait_for(self._due)
                await self._train()
        except AkkordeonError as error:
            self.state, self.error = "failed", error
        except Exception as error:
            logger.exception("%s", self.label)
            self.state, self.error = "failed", SentinelError(f"{self.label}: {error!r}")
        if self.error is not None:
            await asyncio.gather(*(one.leave() for one in self.members), return_exceptions=True)
        self._changed()

    def _due(self) -> bool:
        """Whether the next epoch begins; it rests, or works again, as its limit says."""
        if self.state in ("running", "resting"):
            done = self.limit is not None and self.reports.seen >= self.limit
            if done != (self.state == "resting"):
                self.state = "resting" if done else "running"
                self._changed()
        return self.state == "running" and (not self.validated or self.reports.seen <= self._cleared)

    async def _train(self) -> None:
        """Make an epoch, and report it."""
        session, number = self._session, self.reports.seen + 1
        epoch = Epoch(number, session, self.sentinel, self._partitions, self._members, self._news)
        self._epoch = epoch
        await epoch.read()
        report, self._epoch = epoch.report(self.reservation), None
        self.reports.append(report)
        self._report(report)
        self._due()
        self._changed()
        await log_pass(session.client, session.name, report)
        if report.lost:
            text = f"epoch {number}: {report.lost:,} of {sum(self._partitions.rows):,} rows"
            await log_event(session.client, session.name, "lost", sentinel=self.name, text=text)
