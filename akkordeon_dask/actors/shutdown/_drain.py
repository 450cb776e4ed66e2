"""A worker that is told to end: its actors get time to go elsewhere."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from akkordeon_dask import config

__all__ = ["ActorInfo", "WorkerDrain"]

logger = logging.getLogger(__name__)

_TOO_LATE, _CLOSING = "did not go in time", "the worker closes"


class ActorInfo(NamedTuple):
    """An actor that lives on the worker."""

    network: str
    kind: str
    """`gate` or `sentinel`."""
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of network {self.network!r}"


class WorkerDrain:
    """Waits, once the worker is told to end, for its actors to go.

    Who can move an actor asks for its news all the time: it is `told` that the worker leaves, says that it has
    `heard` so, and moves the actor, or says why that cannot be (`give_up`). An actor is given up too when nobody who
    can move it has asked for `supervision.patience`, and a sentinel when a gate of its network stays here.

    All on the worker's event loop.

    Parameters
    ----------
    who
        names the worker, for logs and events.
    tell
        takes a network's name and what its user should know.
    """

    def __init__(self, who: str, tell: Callable[[str, str], None]) -> None:
        self.started = asyncio.Event()
        """The worker has begun to leave; it never stays after all."""
        self._who, self._tell = who, tell
        self._residents: dict[str, ActorInfo] = {}
        self._asked: dict[str, float] = {}
        """When somebody who can move an actor was last there, by the actor's key."""
        self._asking: Counter[str] = Counter()
        """Who can move an actor and waits for its news just now."""
        self._heard: set[str] = set()
        self._staying: dict[str, str] = {}
        """Why actors are given up, by their keys."""
        self._gone: list[ActorInfo] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def begun(self) -> bool:
        """The worker leaves: no actor should come here any more."""
        return self.started.is_set()

    def register(self, key: str, resident: ActorInfo) -> None:
        """An actor is here from now on."""
        self._residents[key] = resident

    def unregister(self, key: str) -> None:
        """An actor is not here any more."""
        resident = self._residents.pop(key, None)
        if resident is not None and self.begun:
            self._gone.append(resident)
        self._asked.pop(key, None)
        self._changed.set()

    def touched(self, key: str) -> None:
        """Somebody was there who can move the actor."""
        self._asked[key] = asyncio.get_running_loop().time()

    def acknowledged(self, key: str) -> None:
        """Who can move the actor knows that the worker leaves: it is waited for, up to `supervision.leave`."""
        self._heard.add(key)
        self._changed.set()

    def abandon(self, key: str, text: str) -> None:
        """Wait for an actor no longer; `text` says why."""
        resident = self._residents.get(key)
        if resident is None:
            return
        self._staying.setdefault(key, text)
        if resident.kind == "gate":
            for other, one in self._residents.items():
                if one.network == resident.network and one.kind == "sentinel":
                    self._staying.setdefault(other, f"gate {resident.name!r} stays: {text}")
        self._changed.set()

    def acknowledge(self, key: str, refusal: str) -> None:
        """Who can move an actor says that it does so, or why it cannot."""
        if refusal:
            self.abandon(key, refusal)
        else:
            self.acknowledged(key)

    async def wait_for_drain(self, key: str, ended: asyncio.Event, timeout: float, *, moves: bool = True) -> bool:
        """Whether whoever can move the actor should do so now.

        Waits for that until the actor has `ended`, at most `timeout` seconds; one that was given up stays. Who asks
        counts as there for as long as that, where it `moves` the actor.
        """
        self._asking[key] += moves
        try:
            return await self._told(key, ended, timeout)
        finally:
            self._asking[key] -= moves
            if moves:
                self.touched(key)

    async def _told(self, key: str, ended: asyncio.Event, timeout: float) -> bool:
        if key in self._staying:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), timeout)
        else:
            await self.wait_first(ended, timeout)
        return self.begun and key in self._residents and key not in self._staying

    async def wait_first(self, event: asyncio.Event, timeout: float) -> None:
        """Wait until `event` or until the worker leaves, at most `timeout` seconds."""
        tasks = [asyncio.ensure_future(one.wait()) for one in (event, self.started)]
        try:
            await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Begin, and return when every actor has gone or was given up; however often it is called, it happens once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._leave())
        await asyncio.shield(self._task)

    async def end(self) -> None:
        """Wait for nobody any more: the worker closes."""
        for key in list(self._residents):
            self.abandon(key, _CLOSING)
        if self._task is not None:
            await self._task

    async def _leave(self) -> None:
        loop = asyncio.get_running_loop()
        begun, end = loop.time(), loop.time() + config.seconds("supervision.leave")
        patience = config.seconds("supervision.patience")
        self.started.set()
        self._announce()
        for key in +self._asking:  # each is told now, and has the whole patience to act on it
            self.touched(key)
        while left := [key for key in self._residents if key not in self._staying]:
            due = {key: end if key in self._heard else self._asked.get(key, begun) + patience for key in left}
            for key in (key for key in left if min(due[key], end) <= loop.time()):
                self.abandon(key, _TOO_LATE if key in self._heard else f"nobody asked for it within {patience:g} s")
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(*due.values(), end)):
                    await self._changed.wait()
        self._log_summary(loop.time() - begun)

    def _announce(self) -> None:
        logger.info("%s is told to end: %s", self._who, ", ".join(map(str, self._residents.values())) or "it is empty")
        for network in dict.fromkeys(one.network for one in self._residents.values()):
            here = [f"{one.kind} {one.name!r}" for one in self._residents.values() if one.network == network]
            self._tell(network, f"{self._who} is told to end, with {', '.join(here)}")

    def _log_summary(self, seconds: float) -> None:
        gone = ", ".join(map(str, self._gone)) or "nothing"
        lost = [f"{self._residents[key]} ({text})" for key, text in self._staying.items() if key in self._residents]
        text = f"{self._who} ends after {seconds:.2f} s; gone: {gone}; lost: {', '.join(lost) or 'nothing'}"
        logger.log(logging.WARNING if lost else logging.INFO, text)
