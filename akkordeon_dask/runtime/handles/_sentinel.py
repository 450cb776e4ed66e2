"""A sentinel that works on a running network, seen from the client that attached it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from distributed import Actor, Future

from akkordeon_dask.actors import OpenPass, Position, SentinelActor, SentinelUpdate
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DeadlineError,
    LostBatchesError,
    NonFiniteError,
    RolledBackError,
    SchedulerLostError,
    SentinelError,
    WorkerLostError,
)
from akkordeon_dask.messages import Address, PassProgress, PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime.cluster._actor_calls import release
from akkordeon_dask.runtime.handles._actor_handle import ActorHandle
from akkordeon_dask.runtime.handles._attached_handle import GONE, Attached
from akkordeon_dask.runtime.handles._sentinel_names import Reservation

__all__ = ["AttachedSentinel"]

logger = logging.getLogger(__name__)

_IDLE_POLL, _PASS_POLL = 10.0, 0.5
"""Seconds that a poll waits for news, of a sentinel between passes and of one in a pass, which reports its position."""
_RECOVERED = (
    WorkerLostError, DeadlineError, NonFiniteError, LostBatchesError, RolledBackError, SchedulerLostError
)  # fmt: skip
_NO_ANSWER = (*GONE, SchedulerLostError)


class AttachedSentinel(ActorHandle[SentinelActor], Attached):
    """A sentinel at work.

    A task on the client's event loop long-polls the actor, and keeps the state here in step with it. Only that loop
    changes it.

    Parameters
    ----------
    recover
        called on that loop when the actor is lost; returns when it works again, restarted, or raises the error with
        which the sentinel fails.
    evacuate
        called on that loop when the actor's worker shuts down: moves the sentinel, or tells the worker why it stays.
    """

    _kind, _closed = "sentinel", "was detached: attach it again"
    progress: PassProgress | None = None
    """Progress of its present pass, as of the last poll; None between two passes."""

    def __init__(
        self,
        sentinel: Sentinel,
        reservation: Reservation,
        worker: str,
        future: Future[Any] | None,
        actor: Actor | None,
        *,
        changed: Callable[[], None],
        report: Callable[[PassReport], None],
        recover: Callable[["AttachedSentinel", AkkordeonError], Awaitable[None]],
        evacuate: Callable[["AttachedSentinel"], Awaitable[None]],
    ) -> None:
        super().__init__(sentinel, reservation, changed=changed, report=report)
        self.worker, self._actor = worker, actor
        self._future: Future[Any] | None = future
        self._leaving: Future[Any] | None = None
        """The future of an actor that is being ended."""
        self._recover, self._evacuate = recover, evacuate
        self.ended_pass: OpenPass | None = None
        """Of a member of a group: its last pass, with the states of its scores."""
        self._earlier = 0
        """Reports of earlier incarnations of the actor."""
        self._position = Position()
        self.first: Position | None = None
        """Where its first incarnation has started; None: not known yet."""
        self.rollback = ""
        """The name of the last order to go back that this accounts for."""
        self.rewinds = 0
        """Times that all gates were rewound to their snapshots for it, since its last finished pass."""
        self.rewound = False
        """They were rewound since this incarnation has failed by a loss that was not finite, for another sentinel."""
        self._until_sent = True
        """The actor knows the number of passes after which it rests."""
        self._restarting = asyncio.Lock()
        """Held while it is restarted, which only its end may interrupt."""
        self.moving = asyncio.Lock()
        """Held while a verb moves it: one after the other."""
        self._resuming = asyncio.Lock()
        """Held while it is resumed: one caller after the other, and none while a verb moves it."""

    def __repr__(self) -> str:
        return f"<{self.label}: {self.state}, {self.reports.seen} passes>"

    @property
    def address(self) -> Address:
        """Where the gates' messages go."""
        return Address(self.worker, str(self._future.key) if self._future is not None else "")

    @property
    def members(self) -> tuple["AttachedSentinel", ...]:
        """Itself."""
        return (self,)

    @property
    def actors(self) -> tuple["AttachedSentinel", ...]:
        """Itself, the handle of its one actor."""
        return (self,)

    @property
    def forgotten(self) -> bool:
        """The scheduler has dropped its key with the connection of this client."""
        return self._future is not None and self._future.status == "cancelled"

    @property
    def _known_future(self) -> Future[Any] | None:
        return self._leaving if self._future is None else self._future

    @property
    def position(self) -> Position:
        """Where another incarnation resumes, as of the last poll: each pass that is reported here is done."""
        return self._position.after(next((one.epoch for one in reversed(self.reports) if not one.rolled_back), 0))

    @property
    def reported_position(self) -> Position:
        """Its position as the actor has said it last: after it went back, before the passes that are reported."""
        return self._position

    def go_back(self, position: Position, rollback: str) -> None:
        """Another incarnation resumes there: the passes after it are marked."""
        self._position, self.rollback = position, rollback
        self.reports.roll_back(self.name, position.finished)

    def replace_actor(self, worker: str, future: Future[Any], actor: Actor) -> None:
        """Stand for another incarnation of the actor, which has none of the reports that are here already."""
        release(self._actor)
        if self._future is not None:
            self._future.release()
        self.worker, self._future, self._actor = worker, future, actor
        self._earlier, self._until_sent, self.rewound = self.reports.seen, True, False
        self.state = "paused" if self.state == "paused" else "running"

    def watch(self) -> None:
        """Follow the actor, once. On the client's event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def unwatch(self) -> None:
        """Stop to follow it; a restart that is in progress ends before."""
        async with self._restarting:
            await self._unwatch()

    @contextlib.asynccontextmanager
    async def unfollowed(self) -> AsyncIterator[None]:
        """Nobody follows or resumes it meanwhile, while a verb moves it."""
        async with self._resuming:
            try:
                await self.unwatch()
                yield
            finally:
                self.watch()  # where it could not be moved, the next poll finds out why

    async def _watch(self) -> None:
        try:
            while True:
                await self._poll_or_recover()
        except AkkordeonError as error:
            self.state, self.error = "failed", error
        except Exception as error:
            logger.exception("following %s", self.label)
            self.state, self.error = "failed", SentinelError(f"{self.label}: {error!r}")
        self._changed()

    async def _poll_or_recover(self) -> None:
        try:
            if await self._poll():
                async with self._restarting:
                    await self._evacuate(self)
        except _RECOVERED as error:
            if isinstance(error, NonFiniteError) and self.sentinel.on_nonfinite != "rewind":
                raise
            async with self._restarting:
                await self._recover(self, error)

    async def _poll(self) -> bool:
        """Apply the news; return True when the worker shuts down."""
        if not self._until_sent:
            await self.ask(SentinelActor.rest_after, self.until)
            self._until_sent = True
        patience = self._patience
        update = await self.poll(patience, SentinelActor.follow, self._cursor, self.state, patience)
        self._apply(update)
        return update.leaving

    @property
    def _patience(self) -> float:
        """Seconds that a poll waits for news: few in a pass, whose progress is news."""
        every = self.sentinel.every
        if self.sentinel.mode == "validate" and isinstance(every, float):
            rests = self.progress is None and bool(self.reports)
            return min(_IDLE_POLL, max(_PASS_POLL, every)) if rests else _PASS_POLL
        return _PASS_POLL if self.sentinel.mode != "predict" and self.state != "resting" else _IDLE_POLL

    @property
    def _cursor(self) -> int:
        return self.reports.seen - self._earlier

    def _apply(self, update: SentinelUpdate) -> None:
        self._record(update)
        self.state = update.state
        if update.error is not None:
            raise update.error
        if update.state == "left":  # not by `leave`, which has stopped to follow before
            raise ClosedError(f"{self.label} was closed by somebody else: attach it again")
        self._changed()

    def _record(self, update: SentinelUpdate) -> None:
        self._position = update.position or self._position
        self.progress, self.first = update.running, update.first
        self.ended_pass = update.ended or self.ended_pass
        if self._until_sent:
            self.until = update.until
        for report in update.reports:
            self.rewinds = 0
            self.reports.append(report)
            self._report(report)

    async def pause(self) -> None:
        """Send no more batches; returns when those in flight are back."""
        await self.ask(SentinelActor.pause)

    async def resume(self) -> None:
        """Resume it after a pause; nothing where it has failed. On the client's event loop."""
        await self._resume(lambda: self.ask(SentinelActor.resume, self._cursor))

    async def count(self, epochs: int | None) -> None:
        """Let it make `epochs` more passes, at most as many as its spec has; None: as many as its spec has.

        It makes no fewer than another `wait` still waits for. The actor counts from the moment when it receives the
        call. If it is lost before it answers, its next incarnation counts.
        """

        async def call() -> SentinelUpdate:
            least = self._awaited
            try:
                update = await self.ask(SentinelActor.count, epochs, self._cursor, least)
            except _NO_ANSWER:  # the next poll sends the number to the actor, or to its next incarnation
                self.until = None if epochs is None else max(self.position.finished + epochs, least)
                self._until_sent = False
                raise
            self._until_sent = True
            return update

        await self._resume(call, unpause=epochs is not None)

    async def validate_passes(self) -> None:
        """Have each of its passes from now on validated before the next one begins."""
        await self.ask(SentinelActor.validate_passes)

    async def clear(self, finished: int) -> None:
        """So many passes are validated: the next one may begin."""
        await self.ask(SentinelActor.clear, finished)

    async def rest(self) -> None:
        """Let it rest when its open passes are complete; an actor that does not answer, or its successor, later."""
        self.until, self._until_sent, self.stopped = 0, False, True
        try:
            await self.ask(SentinelActor.rest_after, 0)
        except _NO_ANSWER as error:  # the next poll sends it again
            logger.info("%s rests when it is restarted: %s", self.label, error)

    async def _resume(self, call: Callable[[], Awaitable[SentinelUpdate]], *, unpause: bool = True) -> None:
        async with self._resuming:
            if self.error is None and self._future is not None:
                await self._call_unwatched(call, unpause=unpause)

    async def _call_unwatched(self, call: Callable[[], Awaitable[SentinelUpdate]], *, unpause: bool) -> None:
        # An update from before the actor resumed must not be taken for one from after.
        async with self._restarting:
            await self._unwatch()
        if self.state != "paused" or unpause:
            self.state = "running"  # any other state comes with the next poll
        try:
            update = await call()
            if self._future is not None and self._task is None:
                self._record(update)
        except _NO_ANSWER as error:  # the next poll fails the same way
            logger.info("%s resumes when it is restarted: %s", self.label, error)
        finally:
            if self._future is not None:
                self.watch()

    async def retire(self) -> None:
        """Stop this incarnation of the actor and record its reports, before `replace_actor`.

        The caller is the only one that follows it meanwhile.
        """
        self._record(await self.ask(SentinelActor.stop_for_successor, self._cursor))
        try:
            await self.ask(SentinelActor.close)
        except AkkordeonError as error:  # its worker may be gone as soon as it is
            logger.info("closing the former incarnation of %s: %s", self.label, error)

    async def leave(self, *, reachable: bool = True) -> None:
        """End it and release its key; no error when it is gone already. On the client's event loop.

        `reachable`: the scheduler answers, and its worker ends it at once.
        """
        future, self._future = self._future, None
        if future is None:
            return
        self._leaving = future
        try:
            await self._unwatch()
            if reachable and not isinstance(self.error, ClosedError):
                await self.ask(SentinelActor.close)
        except AkkordeonError as error:
            logger.info("closing %s: %s", self.label, error)
        finally:
            release(self._actor)
            self.state, self._actor, self._leaving = "left", None, None
            future.release()
            if self._future is not None:  # it was restarted just as it left
                self._future.release()
                self._future = None
