"""The sentinels that other clients attached: what they do, and whether a `wait` waits for them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from distributed import Scheduler

from akkordeon_dask import config
from akkordeon_dask.messages import TOPIC, Mode
from akkordeon_dask.runtime.clients._passes import fetch_passes
from akkordeon_dask.runtime.clients._sentinel_names import Claim, key_base, living_claims
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.telemetry import TelemetryPlugin

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["Other", "others_rest", "watched"]

logger = logging.getLogger(__name__)

_LOOK = 0.5
"""Seconds between two looks, as long as between two heartbeats."""


@dataclass(frozen=True)
class Other:
    """A sentinel that another client attached."""

    name: str
    mode: Mode
    client: str
    base: str
    """What the keys of its actors begin with."""
    state: str
    """The actor's; `starting` before it tells of itself, `lost` with its worker."""
    epochs: int | None
    """Training passes after which it rests."""
    epoch: int = 0
    """Passes that it began."""
    error: str = ""
    """Why it failed."""

    def __repr__(self) -> str:
        return f"<sentinel {self.name!r} of client {self.client}: {self.state}>"

    @property
    def works(self) -> bool:
        """Something comes of it."""
        return self.state in ("starting", "running", "paused")

    @property
    def ends(self) -> bool:
        """It rests by itself some time."""
        return self.mode == "test" or (self.mode == "train" and self.epochs is not None)


def others_rest(session: "Session") -> bool:
    """All sentinels of other clients rest, as they were seen last, that end by themselves: or failed, or are lost."""
    return not any(one.ends and one.works for one in session.others)


@contextlib.asynccontextmanager
async def watched(session: "Session") -> AsyncIterator[None]:
    """Keep an eye on the sentinels of other clients; at the end all passes of those that rest are in the diary."""
    if not session.shared:
        yield
        return
    look = _Look(session)
    await look.once()
    task = asyncio.get_running_loop().create_task(look.again_and_again())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if look.found:
        await _all_passes(session)


class _Look:
    """What became of the others. On the client's event loop."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._missed: dict[str, float] = {}
        """When those were seen to be lost that may be made anew."""
        self._failed: set[str] = set()
        self.found = False
        """There was one."""

    async def again_and_again(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            await self.once()

    async def once(self) -> None:
        """Look; where the scheduler does not answer, what was seen last counts."""
        session = self._session
        try:
            async with scheduler_deadline(session.client, config.seconds("timeouts.connect")):
                found = await session.client.run_on_scheduler(_others, session.name, session.run, session.own_keys)
        except Exception as error:
            logger.info("what other clients' sentinels of network %r do is not known: %r", session.name, error)
            return
        session.others = [self._judged(one) for one in found]
        self.found |= bool(found)
        session._notify_waiters()

    def _judged(self, one: Other) -> Other:
        """A lost one as it is, where nobody makes it anew, or not in time; else it starts again."""
        if one.state == "failed" and one.base not in self._failed:
            self._failed.add(one.base)
            logger.warning("%r is not waited for, see there: %s", one, one.error or "its client knows why")
        if one.state != "lost" or self._session.keeping is None:
            self._missed.pop(one.base, None)
            return one
        now = asyncio.get_running_loop().time()
        since = self._missed.setdefault(one.base, now)
        return replace(one, state="starting") if now - since < config.seconds("supervision.wait") else one


async def _all_passes(session: "Session") -> None:
    """Events and heartbeats come in any order: the last pass of one that rests may be on its way."""
    await fetch_passes(session)
    known = session.diary.others
    if any(one.ends and one.state == "resting" and (one.base, one.epoch) not in known for one in session.others):
        await asyncio.sleep(_LOOK)
        await fetch_passes(session)


def _others(network: str, run: str, own: Collection[str], dask_scheduler: Scheduler) -> list[Other]:
    """On the scheduler: the sentinels of a network but one's `own`, as they told on their workers' last heartbeats."""
    claims = [one for one in living_claims(dask_scheduler).values() if (one.network, one.run) == (network, run)]
    told = _told(dask_scheduler)
    return [_other(claim, told.get(claim.base), dask_scheduler) for claim in claims if claim.base not in own]


def _told(scheduler: Scheduler) -> dict[str, dict[str, Any]]:
    """What sentinels say of themselves, by what their keys begin with; of two lives, the one that is at work."""
    found: dict[str, dict[str, Any]] = {}
    for worker in scheduler.workers.values():
        for told in (worker.metrics.get(TOPIC) or {}).get("sentinels", ()):
            base = key_base(told["key"])
            if told["state"] != "left" or base not in found:
                found[base] = told
    return found


def _other(claim: Claim, told: dict[str, Any] | None, scheduler: Scheduler) -> Other:
    facts = claim.name, claim.mode, claim.client, claim.base
    if told is None:
        return Other(*facts, "lost" if _has_lost_it(claim, scheduler) else "starting", claim.epochs)
    error = _error(claim, scheduler) if told["state"] == "failed" else ""
    return Other(*facts, told["state"], told["epochs"], told["epoch"], error)


def _has_lost_it(claim: Claim, scheduler: Scheduler) -> bool:
    """Its actor was made, and is on no worker any more."""
    tasks = [task for task in scheduler.clients[claim.client].wants_what if key_base(task.key) == claim.base]
    return bool(tasks) and not any(task.who_has or task.processing_on for task in tasks)


def _error(claim: Claim, scheduler: Scheduler) -> str:
    """The newest trouble that was told of it."""
    monitor = scheduler.plugins.get(TOPIC)
    record = monitor.store.networks.get(claim.network) if isinstance(monitor, TelemetryPlugin) else None
    troubles = reversed(record.incidents) if record is not None else ()
    return next((one.text for one in troubles if (one.event, one.who) == ("failed", claim.name)), "")
