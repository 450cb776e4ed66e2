"""The base of both Dask actors: the control plane of an actor."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from distributed import get_worker

from akkordeon_dask import config
from akkordeon_dask._exceptions import sendable
from akkordeon_dask.actors._offload import offload
from akkordeon_dask.actors.engine._behavior import Behavior
from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.engine._dispatcher import dispatcher
from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.errors import ClosedError, WorkerLostError
from akkordeon_dask.messages import PASS_TOPIC, TOPIC, Address, Metrics

__all__ = ["DaskActor", "is_large", "large"]

T = TypeVar("T")
M = TypeVar("M", bound=Callable[..., Any])


def large(method: M) -> M:
    """Mark a method of an actor whose arguments or answer may be large: no other calls wait behind it."""
    method.akkordeon_large = True  # type: ignore[attr-defined]
    return method


def is_large(method: Callable[..., Any]) -> bool:
    """Whether a method is marked as `large`."""
    return getattr(method, "akkordeon_large", False)


class DaskActor:
    """A Dask actor whose behavior gets its turns from the process's dispatcher.

    Its methods are the control plane: all `async`, run on the worker's event loop, and leave the
    numbers to the turns. The constructor runs in Dask's one thread for actors.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._worker = get_worker()
        self._loop: asyncio.AbstractEventLoop = self._worker.loop.asyncio_loop  # type: ignore[attr-defined]
        self.address = Address(self._worker.address, key)
        self._office = PostOffice.from_thread(self._worker)
        self._cell: Cell | None = None
        self._closed_by_client = False
        """A client has called `close`: whatever else ends the actor, nobody wanted it."""

    async def _prepare(self, *steps: Callable[[], object], ended: Callable[[], None]) -> None:
        """Do what blocks before `_start`; where that fails or is cut short, `ended` is called."""
        try:
            for step in steps:
                await offload(step)
        except BaseException:
            await asyncio.shield(offload(ended))  # after a step that is under way: there is one thread for all
            raise

    async def _start(
        self,
        info: ActorInfo,
        behavior: Behavior,
        *,
        observe: Callable[[Cell, float], Metrics] | None,
        ended: Callable[[], None],
    ) -> Cell:
        if self.key not in self._worker.state.actors:  # Dask has released it meanwhile: nobody would end it
            await asyncio.shield(offload(ended))
            if self._closed_by_client:
                raise ClosedError(f"{info} on {self.address.worker} was closed while it opened: deploy it again")
            raise WorkerLostError(self._ending_text(f"{info} on {self.address.worker}"))
        name = f"akkordeon {info.kind} {info.name}"
        self._cell = dispatcher.cell(name, behavior, ended, observe, partial(self._log_stuck, info))
        self._office.add(self.key, self._cell, info)
        return self._cell

    def _log_stuck(self, info: ActorInfo, text: str) -> None:
        self._log_event(info.network, "stuck", **{info.kind: info.name, "text": f"{text} ({self.address.worker})"})

    def _log_event(self, network: str, event: str, **facts: Any) -> None:
        """Log an event for everybody who listens to the cluster's events. Any thread."""
        topics = [TOPIC, PASS_TOPIC] if event == "pass" else TOPIC
        if "text" in facts:  # what Dask cannot send would end the worker
            facts["text"] = sendable(facts["text"])
        self._worker.log_event(topics, {"network": network, "event": event, **facts})

    def _ending_text(self, who: str) -> str:
        """For errors: how the actor ended, which no client has closed."""
        if self._office.ending:
            return f"{who} ended with its worker: look at the worker's log, then deploy or attach it again"
        return (
            f"{who} ended as Dask released its key: the cluster was restarted, its last client is gone, or the "
            "scheduler took the worker for lost. Deploy or attach it again"
        )

    async def _call(self, function: Callable[[], T]) -> T:
        """Run a function in a turn of the actor, before the batches that wait for it.

        Raises
        ------
        ClosedError
            when the actor is not open, or a client has closed it.
        WorkerLostError
            when it ended with its worker.
        """
        cell = self._cell
        if cell is None:
            raise ClosedError(f"{self.key} on {self.address.worker} is not open (any more): deploy or attach it again")
        try:
            return await cell.call(function, config.seconds("timeouts.control"))
        except ClosedError:
            if cell.alive or cell.error is not None or self._closed_by_client:  # the function's own, or a true word
                raise
            raise WorkerLostError(self._ending_text(f"{cell.name} on {self.address.worker}")) from None

    async def _read(self, function: Callable[[Cell], T]) -> T:
        """What a function that only looks at the actor returns, or returned before a turn that lasts."""
        if self._cell is None:
            raise ClosedError(f"{self.key} on {self.address.worker} is not open (any more): deploy or attach it again")
        return await asyncio.wait_for(self._cell.read(function), config.seconds("timeouts.control"))

    async def try_links(self, peers: tuple[str, ...]) -> dict[str, str]:
        """Connect from this worker to others; the errors by address. On the event loop."""
        return await self._office.try_links(peers)

    async def acknowledge_drain(self, refusal: str = "") -> None:
        """The owner moves the actor off its draining worker, which waits for that; with a `refusal` it cannot."""
        self._office.drain.acknowledge(self.key, refusal)

    async def close(self) -> None:
        """End the actor; after the last one, the worker's links. On the event loop."""
        self._closed_by_client = True
        self._cell = None
        await asyncio.shield(self._office.remove(self.key, config.seconds("timeouts.close")))
