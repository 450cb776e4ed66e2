"""A sentinel that works on a running network, seen from the client that attached it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from distributed import Actor, Future

from akkordeon_dask.actors import Position, SentinelState, SentinelUpdate
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DeadlineError,
    NonFiniteError,
    SentinelError,
    WorkerLostError,
)
from akkordeon_dask.messages import Address, PassProgress, PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime.cluster._actor_calls import call_actor, release

__all__ = ["Attached", "Lives"]

logger = logging.getLogger(__name__)

_PATIENCE, _TELLS = 10.0, 0.5
"""Seconds to wait for news, and of a sentinel at work that tells where it is in its data."""


Lives: TypeAlias = "tuple[Callable[[Attached, AkkordeonError], Awaitable[None]], Callable[[Attached], Awaitable[None]]]"
"""What gives it another life: where it is lost, by an error, and where its worker is told to end."""


class Attached:
    """A sentinel at work.

    Its state here follows the actor: a task on the client's event loop asks for news, and is told
    when there are some. Only that loop changes it.
    """

    def __init__(
        self,
        sentinel: Sentinel,
        name: str,
        worker: str,
        future: Future[Any],
        actor: Any,
        *,
        changed: Callable[[], None],
        report: Callable[[PassReport], None],
        lives: "Lives",
    ) -> None:
        self.sentinel, self.name, self.worker = sentinel, name, worker
        self._actor: Actor | None = actor
        self.state: SentinelState = "running"
        self.error: AkkordeonError | None = None
        self.reports: list[PassReport] = []
        self._future: Future[Any] | None = future
        self._changed, self._report = changed, report
        self._revive, self._evacuate = lives
        self.progress: PassProgress | None = None
        """How far its present pass is, as the actor said last; None between two passes."""
        self._earlier = 0
        """Reports of lives of the actor before the present one."""
        self._position = Position()
        self.rewinds = 0
        """Times that all gates went back to their snapshots for it, since its last finished pass."""
        self.until: int | None = None
        """Passes, of all its lives, after which it rests because somebody waits for so many."""
        self._until_told = True
        """The actor knows that number."""
        self.told = False
        """Somebody who waited has heard of its error."""
        self._task: asyncio.Task[None] | None = None
        self._reviving = asyncio.Lock()
        """Held while it is made anew, which nothing but its end may interrupt."""
        self._going_on = asyncio.Lock()
        """Held while it is told to go on, by one caller after the other."""

    def __repr__(self) -> str:
        return f"<{self.who}: {self.state}, {len(self.reports)} passes>"

    @property
    def who(self) -> str:
        """For errors: the sentinel and its worker."""
        return f"sentinel {self.name!r} on {self.worker}"

    @property
    def actor(self) -> Actor:
        """The handle of its actor. It counts as a use of the key on the scheduler, so it goes with the sentinel.

        Raises
        ------
        ClosedError
            when the sentinel has been detached.
        """
        if self._actor is None:
            raise ClosedError(f"{self.who} was detached: attach it again")
        return self._actor

    async def ask(self, method: str, *args: Any, more: float = 0.0) -> Any:
        """What the actor answers; see `answer`."""
        return await call_actor(lambda: getattr(self.actor, method)(*args), self.who, more=more, future=self._future)

    @property
    def address(self) -> Address:
        """Where the gates' messages go."""
        return Address(self.worker, str(self._future.key) if self._future is not None else "")

    @property
    def position(self) -> Position:
        """Where another life goes on, as the actor told last: each pass that is reported here is done."""
        return self._position.after(self.reports[-1].epoch if self.reports else 0)

    def replace_actor(self, worker: str, future: Future[Any], actor: Any) -> None:
        """Stand for another life of the actor, which has none of the reports that are here already."""
        release(self._actor)
        if self._future is not None:
            self._future.release()
        self.worker, self._future, self._actor = worker, future, actor
        self._earlier, self._until_told = len(self.reports), True
        self.state = "paused" if self.state == "paused" else "running"

    def watch(self) -> None:
        """Follow the actor, once. On the client's event loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def unwatch(self) -> None:
        """Follow it no longer; not before it is whole, where it is just made anew."""
        async with self._reviving:
            await self._unwatch()

    async def _unwatch(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        try:
            while True:
                await self._news_of_any_life()
        except AkkordeonError as error:
            self.state, self.error = "failed", error
        except Exception as error:
            logger.exception("following %s", self.who)
            self.state, self.error = "failed", SentinelError(f"{self.who}: {error!r}")
        self._changed()

    async def _news_of_any_life(self) -> None:
        try:
            if await self._poll():
                async with self._reviving:
                    await self._evacuate(self)
        except (WorkerLostError, DeadlineError, NonFiniteError) as error:
            if isinstance(error, NonFiniteError) and self.sentinel.on_nonfinite != "rewind":
                raise
            async with self._reviving:
                await self._revive(self, error)

    async def _poll(self) -> bool:
        """Learn what is new; True: its worker is told to end."""
        if not self._until_told:
            await self.ask("rest_after", self.until)
            self._until_told = True
        patience = self._patience
        progress: SentinelUpdate = await self.ask("follow", self._cursor, self.state, patience, more=patience)
        self._apply(progress)
        return progress.leaving

    @property
    def _patience(self) -> float:
        """Seconds to wait for news: few in a pass, in which it tells how far it is."""
        if self.sentinel.mode == "validate":
            rests = self.progress is None and bool(self.reports)
            return min(_PATIENCE, max(_TELLS, self.sentinel.every)) if rests else _TELLS
        return _TELLS if self.sentinel.mode != "predict" and self.state != "resting" else _PATIENCE

    @property
    def _cursor(self) -> int:
        return len(self.reports) - self._earlier

    def _apply(self, progress: SentinelUpdate) -> None:
        self._record(progress)
        self.state = progress.state
        if progress.error is not None:
            raise progress.error
        if progress.state == "left":  # not by `leave`, which has stopped to follow before
            raise ClosedError(f"{self.who} was closed by somebody else: attach it again")
        self._changed()

    def _record(self, progress: SentinelUpdate) -> None:
        self._position = progress.position or self._position
        self.progress = progress.running
        if self._until_told:
            self.until = progress.until
        for report in progress.reports:
            self.rewinds = 0
            self.reports.append(report)
            self._report(report)

    @property
    def ended(self) -> bool:
        """Nothing more comes of it by itself: it rests, has failed or has left."""
        return self.error is not None or self.state in ("resting", "left")

    def tell(self, *, remedy: bool) -> AkkordeonError:
        """Its error for somebody who waits, with the way to be rid of it; later ones need not hear of it."""
        assert self.error is not None
        self.told = True
        if not remedy:
            return self.error
        text = f"{self.error}. The others go on; running.detach({self.name!r}) takes this one away"
        told = type(self.error)(text)
        told.__cause__ = self.error
        return told

    async def resume(self) -> None:
        """Let it go on after a pause; nothing where it has failed. On the client's event loop."""
        await self._go_on("resume")

    async def count(self, epochs: int | None) -> None:
        """Let it make `epochs` more passes, at most as many as it was written with; None: just those.

        The actor counts, from the moment when it hears it. Where it is lost before it answers, its next life does.
        """
        await self._go_on("count", epochs)

    async def _go_on(self, method: Literal["resume", "count"], *args: int | None) -> None:
        async with self._going_on:
            if self.error is None and self._future is not None:
                await self._tell_to_go_on(method, *args)

    async def _tell_to_go_on(self, method: Literal["resume", "count"], *args: int | None) -> None:
        # News that left the actor before it went on must not be taken for what came after.
        async with self._reviving:
            await self._unwatch()
        if self.state != "paused" or args != (None,):
            self.state = "running"  # whatever it is else, who follows it learns at once
        try:
            progress: SentinelUpdate = await self.ask(method, *args, self._cursor)
            self._until_told = self._until_told or method == "count"
            if self._future is not None and self._task is None:
                self._record(progress)
        except (WorkerLostError, DeadlineError, ClosedError) as error:  # who follows it learns the same
            logger.info("%s goes on where it is made anew: %s", self.who, error)
            if method == "count":
                self._owe(*args)
        finally:
            if self._future is not None:
                self.watch()

    def _owe(self, epochs: int | None) -> None:
        """Count for an actor that did not answer; it, or its next life, is told the end."""
        self.until = None if epochs is None else self.position.finished + epochs
        self._until_told = False

    async def retire(self) -> None:
        """End this life of the actor, with all that it reported here: for it to `become` another one.

        Nobody follows it meanwhile but who calls this.
        """
        self._record(await self.ask("stop_for_successor", self._cursor))
        try:
            await self.ask("close")
        except AkkordeonError as error:  # its worker may be gone as soon as it is
            logger.info("closing the former life of %s: %s", self.who, error)

    async def leave(self) -> None:
        """End it and let Dask forget it; no error when it is gone already. On the client's event loop."""
        future, self._future = self._future, None
        if future is None:
            return
        try:
            await self._unwatch()
            if not isinstance(self.error, ClosedError):
                await self.ask("close")
        except AkkordeonError as error:
            logger.info("closing %s: %s", self.who, error)
        finally:
            release(self._actor)
            self.state, self._actor = "left", None
            future.release()
            if self._future is not None:  # of a life that it was given just as it left
                self._future.release()
                self._future = None
