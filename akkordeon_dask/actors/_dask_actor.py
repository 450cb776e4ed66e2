"""What gate and sentinel actors have in common."""

import asyncio
from collections.abc import Callable
from typing import Any

from distributed import get_worker
from distributed.core import Status
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask.actors.engine._cell import ActorCell, Behavior
from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import PASS_TOPIC, TOPIC, Address, Message, Metrics

__all__ = ["ENDING", "DaskActor"]

ENDING = frozenset((Status.closing, Status.closing_gracefully, Status.closed))
"""What a worker is when its actors end because it does."""


class DaskActor:
    """A Dask actor whose work is done by one thread of its own.

    Its methods are the control plane: all `async`, run on the worker's event loop, and leave the
    numbers to the thread. The constructor runs in Dask's one thread for actors.
    """

    def __init__(self, key: str) -> None:
        worker = get_worker()
        self.key = key
        self.address = Address(worker.address, key)
        self._worker = worker
        self._office: PostOffice | None = None
        self._thread: ActorCell | None = None

    async def _start(self, who: ActorInfo, core: Behavior, ended: Callable[[], None] = lambda: None) -> ActorCell:
        office = await PostOffice.of(self._worker)
        if self.key not in self._worker.state.actors:  # Dask let go of it meanwhile: nobody would end its thread
            await offload(ended)
            raise ClosedError(f"{who} on {self.address.worker} was closed while it opened: deploy or attach anew")
        self._office = office
        self._thread = ActorCell(f"akkordeon {who.kind} {who.name}", core, ended, self._figures)
        self._office.add(self.key, self._thread, who)
        return self._thread

    def _figures(self, thread: ActorCell, now: float) -> Metrics | None:
        """What the actor did so far; None: it tells nothing. In its thread."""
        return None

    def _tell(self, network: str, event: str, **facts: Any) -> None:
        """Let everybody know who listens to the cluster's events. Any thread."""
        topics = [TOPIC, PASS_TOPIC] if event == "pass" else TOPIC
        self._worker.log_event(topics, {"network": network, "event": event, **facts})

    def _send(self, to: Address, message: Message) -> None:
        assert self._office is not None
        self._office.send(to, message)

    async def _call(self, function: Any) -> Any:
        """Run a function in the actor's thread, before the batches that wait for it."""
        if self._thread is None:
            raise ClosedError(f"{self.key} on {self.address.worker} is not open (any more): deploy or attach anew")
        return await self._thread.call(function, config.seconds("timeouts.control"))

    async def close(self) -> None:
        """End the thread; after the last one, the worker's links. On the event loop."""
        self._thread = None
        if self._office is not None:
            await asyncio.shield(self._office.remove(self.key, config.seconds("timeouts.close")))
