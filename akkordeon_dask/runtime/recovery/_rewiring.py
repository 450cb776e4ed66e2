"""The owner's word to all sentinels of its network of where the gates are."""

import asyncio
import logging
from collections.abc import Collection
from typing import TYPE_CHECKING

from akkordeon_dask import config
from akkordeon_dask.runtime._on_worker import rewire_sentinels
from akkordeon_dask.runtime.cluster._queries import ask_workers
from akkordeon_dask.runtime.cluster._workers import list_workers

if TYPE_CHECKING:
    from akkordeon_dask.runtime.recovery._supervisor import Supervisor

__all__ = ["Rewiring"]

logger = logging.getLogger(__name__)

_AGAIN = 0.5


class Rewiring:
    """Tells the sentinels, of whatever client, until every worker has heard it. On the client's event loop.

    A worker that is stopped or cut off may come back with sentinels that know only gates that are gone: nothing but
    this would ever tell them.
    """

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor, self._session = supervisor, supervisor.session
        self._untold: dict[str, int] = {}
        """Workers that have not heard it, with the answers that are wanted of each."""
        self._pending = asyncio.Event()

    async def broadcast(self, later: Collection[str] = ()) -> None:
        """Tell all workers now, but those that are to be told `later`, when they answer again."""
        workers = [worker.address for worker in await list_workers(self._session.client)]
        # What was said to one that slept waits there in any order: it is told once more after its first answer.
        self._untold = {worker: 2 if worker in later or self._untold.get(worker) == 2 else 1 for worker in workers}
        await self._ask([worker for worker in workers if worker not in later])

    async def retry_pending(self) -> None:
        """Tell those again that did not answer. Runs until it is cancelled.

        Raises
        ------
        ClosedError
            when somebody else owns the network.
        """
        while True:
            await self._pending.wait()
            await asyncio.sleep(_AGAIN)
            try:
                await self._supervisor.require_ownership()
                there = {worker.address for worker in await list_workers(self._session.client)}
            except OSError as error:
                logger.info("the scheduler does not say who works on network %r: %r", self._session.name, error)
                continue
            self._untold = {worker: wanted for worker, wanted in self._untold.items() if worker in there}
            await self._ask(list(self._untold))

    async def _ask(self, workers: Collection[str]) -> None:
        session, limit = self._session, config.seconds("supervision.patience")
        told = session.addresses
        heard = await ask_workers(
            session.client, rewire_sentinels, workers, limit, session.name, told, self._supervisor.making.generation
        )
        if told == session.addresses:
            for worker in workers:
                wanted = self._untold.pop(worker, 0)
                left = wanted - 1 if heard.get(worker) else 2
                if left > 0:
                    self._untold[worker] = left
        if self._untold:
            self._pending.set()
        else:
            self._pending.clear()
