"""The sentinels that other clients attached: their state, and whether a `wait` waits for them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from typing import Any

from distributed import Scheduler

from akkordeon_dask import config
from akkordeon_dask.messages import TOPIC, sentinel_key_base
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.clients._passes import fetch_passes
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.handles._other_sentinel import OtherSentinel
from akkordeon_dask.runtime.handles._sentinel_names import Reservation, living_reservations
from akkordeon_dask.telemetry import TelemetryPlugin

__all__ = ["others_rest", "watched"]

logger = logging.getLogger(__name__)

_POLL = 0.5
"""Seconds between two polls, as long as between two heartbeats."""


def others_rest(session: Session) -> bool:
    """As of the last poll, all sentinels of other clients that end by themselves rest, have failed or are lost."""
    return not any(one.ends and one.works for one in session.others)


@contextlib.asynccontextmanager
async def watched(session: Session) -> AsyncIterator[None]:
    """Poll the sentinels of other clients; at the end the session has all passes of those that rest."""
    if not session.published:
        yield
        return
    poll = _Poll(session)
    await poll.once()
    task = asyncio.get_running_loop().create_task(poll.repeatedly())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if poll.found:
        await _all_passes(session)


class _Poll:
    """Asks the scheduler for the others' state. On the client's event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._missed: dict[str, float] = {}
        """When those were first seen to be lost that may be restarted."""
        self._failed: set[str] = set()
        self.found = False
        """There was one."""

    async def repeatedly(self) -> None:
        while True:
            await asyncio.sleep(_POLL)
            await self.once()

    async def once(self) -> None:
        """Poll; where the scheduler does not answer, the last poll counts."""
        session = self._session
        try:
            async with scheduler_deadline(session.client, config.seconds("timeouts.connect")):
                found = await session.client.run_on_scheduler(
                    _others, session.name, session.entry.run, session.own_keys
                )
        except Exception as error:
            logger.info("the state of other clients' sentinels of network %r is not known: %r", session.name, error)
            return
        session.others = [self._restarting(one) for one in found]
        self.found |= bool(found)
        session.notify_waiters()

    def _restarting(self, one: OtherSentinel) -> OtherSentinel:
        """A lost one that may be restarted counts as `starting`, for `supervision.wait`."""
        if one.state == "failed" and one.base not in self._failed:
            self._failed.add(one.base)
            logger.warning("%r is not waited for: %s", one, one.error or "its client knows why")
        if one.state != "lost" or self._session.entry.snapshots is None:
            self._missed.pop(one.base, None)
            return one
        now = asyncio.get_running_loop().time()
        since = self._missed.setdefault(one.base, now)
        return replace(one, state="starting") if now - since < config.seconds("supervision.wait") else one


async def _all_passes(session: Session) -> None:
    """Events and heartbeats come in any order: the last pass of one that rests may be on its way."""
    await fetch_passes(session)
    known = session.passes.others
    if any(one.ends and one.state == "resting" and (one.base, one.epoch) not in known for one in session.others):
        await asyncio.sleep(_POLL)
        await fetch_passes(session)


def _others(network: str, run: str, own: Collection[str], dask_scheduler: Scheduler) -> list[OtherSentinel]:
    """On the scheduler: the sentinels of a network except one's `own`, as of their workers' last heartbeats."""
    reservations = [
        one for one in living_reservations(dask_scheduler).values() if (one.network, one.run) == (network, run)
    ]
    metrics = _metrics(dask_scheduler)
    return [
        _other(reservation, metrics.get(reservation.base), dask_scheduler)
        for reservation in reservations
        if reservation.base not in own
    ]


def _metrics(scheduler: Scheduler) -> dict[str, dict[str, Any]]:
    """Metrics of all sentinels by the prefix of their keys; of two incarnations, those of the one at work."""
    found: dict[str, dict[str, Any]] = {}
    for worker in scheduler.workers.values():
        for metrics in (worker.metrics.get(TOPIC) or {}).get("sentinels", ()):
            base = sentinel_key_base(metrics["key"])
            if metrics["state"] != "left" or base not in found:
                found[base] = metrics
    return found


def _other(reservation: Reservation, metrics: dict[str, Any] | None, scheduler: Scheduler) -> OtherSentinel:
    facts = reservation.name, reservation.mode, reservation.client, reservation.base
    if metrics is None:
        return OtherSentinel(*facts, "lost" if _is_lost(reservation, scheduler) else "starting", reservation.epochs)
    error = _error(reservation, scheduler) if metrics["state"] == "failed" else ""
    return OtherSentinel(*facts, metrics["state"], metrics["epochs"], metrics["epoch"], error)


def _is_lost(reservation: Reservation, scheduler: Scheduler) -> bool:
    """Its actor was created, and is on no worker any more."""
    tasks = [
        task
        for task in scheduler.clients[reservation.client].wants_what
        if sentinel_key_base(task.key) == reservation.base
    ]
    return bool(tasks) and not any(task.who_has or task.processing_on for task in tasks)


def _error(reservation: Reservation, scheduler: Scheduler) -> str:
    """The text of its newest failure."""
    monitor = scheduler.plugins.get(TOPIC)
    telemetry = monitor.store.networks.get(reservation.network) if isinstance(monitor, TelemetryPlugin) else None
    incidents = reversed(telemetry.incidents) if telemetry is not None else ()
    return next((one.text for one in incidents if (one.event, one.who) == ("failed", reservation.name)), "")
