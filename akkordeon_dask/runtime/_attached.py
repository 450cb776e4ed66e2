"""A sentinel that works on a running network, seen from the client that attached it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from distributed import Future

from akkordeon_dask.actors import Progress, SentinelState
from akkordeon_dask.errors import AkkordeonError, ClosedError, SentinelError
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._control import answer

__all__ = ["Attached"]

logger = logging.getLogger(__name__)

_PATIENCE = 10.0


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
        *,
        future: Future[Any],
        actor: Any,
        changed: Callable[[], None],
        report: Callable[[PassReport], None],
    ) -> None:
        self.sentinel, self.name, self.worker = sentinel, name, worker
        self.actor = actor
        self.state: SentinelState = "running"
        self.error: AkkordeonError | None = None
        self.reports: list[PassReport] = []
        self._future: Future[Any] | None = future
        self._changed, self._report = changed, report
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<{self.who}: {self.state}, {len(self.reports)} passes>"

    @property
    def who(self) -> str:
        """For errors: the sentinel and its worker."""
        return f"sentinel {self.name!r} on {self.worker}"

    def follow(self) -> None:
        """Begin to follow the actor. On the client's event loop."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        try:
            while True:
                await self._news()
        except AkkordeonError as error:
            self.state, self.error = "failed", error
        except Exception as error:
            logger.exception("following %s", self.who)
            self.state, self.error = "failed", SentinelError(f"{self.who}: {error!r}")
        self._changed()

    async def _news(self) -> None:
        call = self.actor.follow(len(self.reports), self.state, _PATIENCE)
        progress: Progress = await answer(call, self.who, more=_PATIENCE)
        for report in progress.reports:
            self.reports.append(report)
            self._report(report)
        self.state = progress.state
        if progress.error is not None:
            raise progress.error
        self._changed()

    async def resume(self, epochs: int | None = None) -> None:
        """Let it go on. On the client's event loop."""
        await answer(self.actor.resume(epochs), self.who)
        if self.state in ("paused", "resting"):
            self.state = "running"

    async def leave(self) -> None:
        """End it and let Dask forget it; no error when it is gone already. On the client's event loop."""
        task, self._task = self._task, None
        future, self._future = self._future, None
        if future is None:
            return
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        try:
            if self.error is None or self.state != "failed" or not isinstance(self.error, ClosedError):
                await answer(self.actor.close(), self.who)
        except AkkordeonError as error:
            logger.info("closing %s: %s", self.who, error)
        finally:
            self.state = "left"
            future.release()
