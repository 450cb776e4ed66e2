"""The owner sends all sentinels of its network the addresses of the gates."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection

from akkordeon_dask import config
from akkordeon_dask.runtime._on_worker import interrupt_sentinels, rewire_sentinels
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._queries import ask_workers
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import GateHandle

__all__ = ["Rewiring"]

logger = logging.getLogger(__name__)

_AGAIN = 0.5


class Rewiring:
    """Rewires the sentinels of all clients, until every worker has answered. On the client's event loop.

    A worker that is stopped or cut off may come back with sentinels that know only gates that are gone: nothing else
    would ever rewire them.

    Parameters
    ----------
    still_owner
        raises a ClosedError when another client owns the network.
    """

    def __init__(self, session: Session, still_owner: Callable[[], Awaitable[None]]) -> None:
        self._session, self._still_owner = session, still_owner
        self._pending_workers: dict[str, int] = {}
        """Workers that have not confirmed, with the number of answers that each owes."""
        self._pending = asyncio.Event()

    async def broadcast(self, later: Collection[str] = ()) -> None:
        """Rewire on all workers now, except those that are unresponsive: on them `later`, when they answer again."""
        workers = [worker.address for worker in await list_workers(self._session.client, ending=True)]
        # Calls to a stopped worker wait there in any order: it is called once more after its first answer.
        owed = {worker: 2 if worker in later or self._pending_workers.get(worker) == 2 else 1 for worker in workers}
        self._pending_workers = owed
        await self._ask([worker for worker in workers if worker not in later])

    async def interrupt(self, gate: GateHandle, seconds: float) -> None:
        """Tell the sentinels that a gate is lost: they give up no batch while it is restarted, within so many seconds.

        Those on workers that do not answer are not told.
        """
        session, limit, address = self._session, config.seconds("supervision.patience"), gate.address
        with contextlib.suppress(OSError):
            workers = [worker.address for worker in await list_workers(session.client, ending=True)]
            await ask_workers(session.client, interrupt_sentinels, workers, limit, session.name, address, seconds)

    async def retry_pending(self) -> None:
        """Call those again that did not answer. Runs until it is cancelled.

        Raises
        ------
        ClosedError
            when another client owns the network.
        """
        while True:
            await self._pending.wait()
            await asyncio.sleep(_AGAIN)
            try:
                await self._still_owner()
                workers = {worker.address for worker in await list_workers(self._session.client, ending=True)}
            except OSError as error:
                logger.info("the workers of network %r are not known: %r", self._session.name, error)
                continue
            self._pending_workers = {one: owed for one, owed in self._pending_workers.items() if one in workers}
            await self._ask(list(self._pending_workers))

    async def _ask(self, workers: Collection[str]) -> None:
        session, limit = self._session, config.seconds("supervision.patience")
        gates, rollback = session.addresses, session.entry.rollback
        answers = await ask_workers(
            session.client, rewire_sentinels, workers, limit, session.name, gates, session.entry.generation, rollback
        )
        if gates == session.addresses:
            for worker in workers:
                owed = self._pending_workers.pop(worker, 0)
                left = owed - 1 if answers.get(worker) else 2
                if left > 0:
                    self._pending_workers[worker] = left
        if self._pending_workers:
            self._pending.set()
        else:
            self._pending.clear()
