"""The drain of a worker that is told to end: its actors get time to move."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from akkordeon_dask import config
from akkordeon_dask.actors._lateness import Lateness

__all__ = ["ActorInfo", "WorkerDrain"]

logger = logging.getLogger(__name__)

_TOO_LATE, _CLOSING = "did not move in time", "the worker closes"


class ActorInfo(NamedTuple):
    """An actor on the worker."""

    network: str
    kind: str
    """`gate` or `sentinel`."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of network {self.network!r}"


class WorkerDrain:
    """Waits, once the worker is told to end, until its actors have moved.

    The client that owns an actor long-polls its worker. When the worker starts to drain, the poll returns True; the
    client acknowledges and moves the actor, or abandons it with a reason. An actor is abandoned too when its owner has
    not polled for `supervision.patience`, in which the worker has not stood still, and a sentinel when a gate of its
    network stays here.

    All on the worker's event loop.

    Parameters
    ----------
    worker
        names the worker in logs and events.
    notify
        called with a network's name and a text for its user.
    """

    def __init__(self, worker: str, notify: Callable[[str, str], None]) -> None:
        self.started = asyncio.Event()
        """The drain has begun. It ends with the worker, or is cancelled where a retirement fails."""
        self._worker, self._notify = worker, notify
        self._actors: dict[str, ActorInfo] = {}
        self._last_poll: dict[str, float] = {}
        """The time of the owner's last sign of life, by the actor's key."""
        self._polling: Counter[str] = Counter()
        """The number of owners' polls that wait now, by the actor's key."""
        self._acknowledged: set[str] = set()
        self._staying: dict[str, str] = {}
        """The reasons why actors are abandoned, by their keys."""
        self._gone: list[ActorInfo] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def begun(self) -> bool:
        """The worker drains: no actor should come here any more."""
        return self.started.is_set()

    @property
    def networks(self) -> set[str]:
        """Those that have actors here."""
        return {info.network for info in self._actors.values()}

    def register(self, key: str, info: ActorInfo) -> None:
        """An actor is here from now on."""
        self._actors[key] = info

    def unregister(self, key: str) -> None:
        """An actor is not here any more."""
        info = self._actors.pop(key, None)
        if info is not None and self.begun:
            self._gone.append(info)
        self._last_poll.pop(key, None)
        self._changed.set()

    def touched(self, key: str) -> None:
        """The actor's owner has given a sign of life."""
        self._last_poll[key] = asyncio.get_running_loop().time()

    def abandon(self, key: str, reason: str) -> None:
        """Wait for an actor no longer, for this reason."""
        info = self._actors.get(key)
        if info is None:
            return
        self._staying.setdefault(key, reason)
        if info.kind == "gate":
            for other, one in self._actors.items():
                if one.network == info.network and one.kind == "sentinel":
                    self._staying.setdefault(other, f"gate {info.name!r} stays: {reason}")
        self._changed.set()

    def acknowledge(self, key: str, refusal: str = "") -> None:
        """The owner moves the actor: the worker waits up to `supervision.leave`. With a `refusal` it does not."""
        if refusal:
            self.abandon(key, refusal)
        else:
            self._acknowledged.add(key)
            self._changed.set()

    async def wait_for_drain(self, key: str, ended: asyncio.Event, timeout: float, *, moves: bool = True) -> bool:
        """Long-poll: True where the caller should move the actor now, because the worker drains.

        Waits for that until the actor has `ended`, at most `timeout` seconds; an abandoned actor stays. A caller that
        `moves` the actor is its owner, and gives a sign of life by this.
        """
        self._polling[key] += moves
        try:
            return await self._poll(key, ended, timeout)
        finally:
            self._polling[key] -= moves
            if moves:
                self.touched(key)

    async def _poll(self, key: str, ended: asyncio.Event, timeout: float) -> bool:
        if key in self._staying:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), timeout)
        else:
            await self.wait_first(ended, timeout)
        return self.moves_now(key)

    def moves_now(self, key: str) -> bool:
        """Whether the owner should move the actor now, because the worker drains."""
        return self.begun and key in self._actors and key not in self._staying

    async def wait_first(self, event: asyncio.Event, timeout: float) -> None:
        """Wait until `event` or until the worker drains, at most `timeout` seconds."""
        tasks = [asyncio.ensure_future(one.wait()) for one in (event, self.started)]
        try:
            await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Drain the worker: return when every actor has moved or is abandoned. Later calls wait for the first one."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._leave())
        await asyncio.shield(self._task)

    @property
    def staying(self) -> str:
        """The actors that are still here though the worker has drained, with the reasons; empty for none."""
        here = [f"{self._actors[key]} ({reason})" for key, reason in self._staying.items() if key in self._actors]
        return ", ".join(here)

    def cancel(self) -> None:
        """The worker stays, with the actors that could not move. Does nothing while a drain still waits."""
        if self._task is not None and self._task.done():
            self._task = None
            self.started.clear()
            self._staying.clear()
            self._acknowledged.clear()
            self._gone.clear()

    async def end(self) -> None:
        """Abandon all actors: the worker closes."""
        for key in list(self._actors):
            self.abandon(key, _CLOSING)
        if self._task is not None:
            await self._task

    async def _leave(self) -> None:
        loop = asyncio.get_running_loop()
        begun, end = loop.time(), loop.time() + config.seconds("supervision.leave")
        patience = config.seconds("supervision.patience")
        self.started.set()
        self._announce()
        for key in +self._polling:  # each poll returns now, and its owner has the whole patience to act
            self.touched(key)
        while left := [key for key in self._actors if key not in self._staying]:
            moving = {key for key in left if key in self._acknowledged}
            due = {key: end if key in moving else self._last_poll.get(key, begun) + patience for key in left}
            for key in (key for key in left if min(due[key], end) <= loop.time()):
                self.abandon(key, _TOO_LATE if key in moving else f"its owner did not poll within {patience:g} s")
            self._changed.clear()
            await self._wait_for_change(min(*due.values(), end))
        self._log_summary(loop.time() - begun)

    async def _wait_for_change(self, due: float) -> None:
        """Wait until then, by the loop's clock; a worker that has stood still meanwhile has read no polls."""
        loop, lateness = asyncio.get_running_loop(), Lateness()
        lateness.expect(max(due, loop.time()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(due):
                await self._changed.wait()
        if lateness.at(loop.time()):
            for key in self._actors:
                self.touched(key)

    def _announce(self) -> None:
        logger.info("%s drains: %s", self._worker, ", ".join(map(str, self._actors.values())) or "it is empty")
        for network in dict.fromkeys(one.network for one in self._actors.values()):
            here = [f"{one.kind} {one.name!r}" for one in self._actors.values() if one.network == network]
            self._notify(network, f"{self._worker} drains, with {', '.join(here)}")

    def _log_summary(self, seconds: float) -> None:
        gone, lost = ", ".join(map(str, self._gone)) or "nothing", self.staying
        text = f"{self._worker} ends after {seconds:.2f} s; gone: {gone}; lost: {lost or 'nothing'}"
        logger.log(logging.WARNING if lost else logging.INFO, text)
