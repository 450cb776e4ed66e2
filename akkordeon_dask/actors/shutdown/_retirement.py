"""`client.retire_workers` for workers that hold gates and sentinels: Dask refuses them, for it cannot move actors."""

import asyncio
import logging
from collections.abc import Mapping
from time import time
from typing import Any

from distributed import Scheduler, SchedulerPlugin
from distributed.core import Status

from akkordeon_dask import config
from akkordeon_dask.actors.shutdown._hooks import STAY_OP
from akkordeon_dask.actors.shutdown._nanny import LEAVE_OP
from akkordeon_dask.messages import network_of

__all__ = ["RESTART_TOPIC", "RetirementPlugin", "allow_retirement", "forget_network", "living_runs", "retire"]

logger = logging.getLogger(__name__)

RESTART_TOPIC = "akkordeon-restart"
"""The topic of the events by which a restart of the cluster names the workers that it ends."""
_BY_ITSELF = "worker-close-gracefully"
"""The beginning of the stimulus by which a worker retires itself."""
_CHECK, _MORE = 0.1, 5.0
"""Seconds between two looks at a worker's keys, and beyond a drain's limit until the answer counts as lost."""


class RetirementPlugin(SchedulerPlugin):
    """Drains a worker that Dask refused to retire for its gates and sentinels, and then retires it.

    It hears of the refusal by the event that Dask logs. It is there as long as a network is. On the scheduler's event
    loop.
    """

    name = "akkordeon-retirement"

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.networks: dict[str, str] = {}
        """The client that each network ends with, by the network's run; empty for a published one."""
        self._retiring: dict[str, asyncio.Task[str]] = {}
        self._ending: set[str] = set()
        """The workers that Dask refused to retire, and that end in spite of it: they drain by themselves."""

    def log_event(self, topic: str, msg: Any) -> None:
        """An event was logged: some workers may have been refused."""
        if topic != "all" or not isinstance(msg, Mapping):
            return
        refused = msg.get("could-not-retire", ()) if msg.get("action") == "retire-workers" else ()
        # A worker that closes by itself also drains by itself, and then its nanny may start another one.
        if str(msg.get("stimulus_id", "")).startswith(_BY_ITSELF):
            self._ending.update(worker for worker in refused if worker in self._scheduler.workers)
            return
        for worker in refused:
            if worker not in self._retiring and self._actors(worker):
                logger.warning(
                    "Dask does not retire worker %s, for it holds gates or sentinels: they move off, then it is "
                    "retired. To wait for that: dask akkordeon drain %s --retire",
                    *(worker, worker),
                )
                self.retire_soon(worker)

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: object) -> None:
        """A worker is gone."""
        self._ending.discard(worker)

    def restart(self, scheduler: Scheduler) -> None:
        """`client.restart` has released all keys, and ends all workers now."""
        scheduler.log_event(RESTART_TOPIC, {"workers": list(scheduler.workers)})

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """A client is gone, and the networks that end with it."""
        for run in [run for run, owner in self.networks.items() if owner == client]:
            self.forget(run)

    def forget(self, run: str) -> None:
        """A network has ended; the plugin ends with the last one."""
        self.networks.pop(run, None)
        if not self.networks and self.name in self._scheduler.plugins:
            self._scheduler.remove_plugin(self.name)

    def retires(self, worker: str) -> bool:
        """A worker's retirement has begun, and has not ended."""
        return worker in self._retiring

    def retire_soon(self, worker: str) -> asyncio.Task[str]:
        """Retire a worker; the task's result says why it stays, or is empty."""
        if worker not in self._retiring:
            task = self._retiring[worker] = asyncio.get_running_loop().create_task(self._retire(worker))
            task.add_done_callback(lambda _: self._retiring.pop(worker, None))
        return self._retiring[worker]

    def _actors(self, worker: str) -> list[str]:
        """The keys of our actors on a worker."""
        state = self._scheduler.workers.get(worker)
        keys = [str(task.key) for task in state.actors] if state is not None else []
        return [key for key in keys if network_of(key) is not None]

    async def _retire(self, worker: str) -> str:
        try:
            reason = await self._drain(worker) if self._actors(worker) else ""
            if not reason and self._stays(worker):
                await self._scheduler.retire_workers(workers=[worker], close_workers=True, remove=True)
                if self._stays(worker):
                    reason = "Dask refuses: it holds actors of others, or data that fits nowhere else"
        except Exception as error:
            logger.exception("retiring worker %s", worker)
            reason = repr(error)
        if reason:
            logger.warning("worker %s is not retired: %s", worker, reason)
        if reason and self._stays(worker):
            self._reopen(worker)
            await self._scheduler.broadcast(msg={"op": STAY_OP}, workers=[worker], on_error="ignore")
        return reason

    def _stays(self, worker: str) -> bool:
        """The worker is there, and does not end by itself."""
        state = self._scheduler.workers.get(worker)
        there = (Status.running, Status.paused, Status.closing_gracefully)
        return state is not None and state.status in there and worker not in self._ending

    def _reopen(self, worker: str) -> None:
        """Let a worker that stays accept tasks.

        Of two retirements at once that it refuses, Dask restores after the second one what it found: the state of the
        first.
        """
        if self._scheduler.workers[worker].status == Status.closing_gracefully:
            change = {"op": "worker-status-change", "status": Status.running.name, "stimulus_id": f"stays-{time()}"}
            self._scheduler.stream_comms[worker].send(change)

    async def _drain(self, worker: str) -> str:
        """Drain a worker; returns why something stays, or nothing."""
        limit = config.seconds("supervision.leave") + _MORE
        try:
            async with asyncio.timeout(limit):
                answers = await self._scheduler.broadcast(msg={"op": LEAVE_OP}, workers=[worker], on_error="return")
                answer = answers.get(worker)
                if isinstance(answer, Mapping) and answer.get("stays"):
                    return str(answer["stays"])
                while self._actors(worker):  # noqa: ASYNC110 - other clients still hold keys of actors that are gone
                    await asyncio.sleep(_CHECK)
        except TimeoutError:
            keys = ", ".join(self._actors(worker))
            return f"after {limit:g} s it still holds {keys}: see its log"
        return ""


def allow_retirement(run: str, client: str, dask_scheduler: Scheduler) -> None:
    """Let workers with actors of a network retire until it is forgotten, or its `client` is gone, if it has one."""
    _plugin(dask_scheduler).networks[run] = client


def living_runs(dask_scheduler: Scheduler) -> frozenset[str]:
    """The runs of the networks that have not ended."""
    found = dask_scheduler.plugins.get(RetirementPlugin.name)
    return frozenset(found.networks) if isinstance(found, RetirementPlugin) else frozenset()


def forget_network(run: str, dask_scheduler: Scheduler) -> None:
    """A network has ended."""
    found = dask_scheduler.plugins.get(RetirementPlugin.name)
    if isinstance(found, RetirementPlugin):
        found.forget(run)


async def retire(worker: str, dask_scheduler: Scheduler) -> str:
    """Move all gates and sentinels off a worker and retire it; returns why it stays, or nothing. On the event loop."""
    plugin = dask_scheduler.plugins.get(RetirementPlugin.name)
    found = plugin if isinstance(plugin, RetirementPlugin) else RetirementPlugin(dask_scheduler)
    begun = found.retires(worker)
    reason = await asyncio.shield(found.retire_soon(worker))
    if reason and begun:  # it may be out of date: another worker may have come since
        reason = await asyncio.shield(found.retire_soon(worker))
    return reason


def _plugin(scheduler: Scheduler) -> RetirementPlugin:
    found = scheduler.plugins.get(RetirementPlugin.name)
    if isinstance(found, RetirementPlugin):
        return found
    plugin = RetirementPlugin(scheduler)
    scheduler.add_plugin(plugin, name=plugin.name)
    return plugin
