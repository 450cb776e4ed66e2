"""The hooks that start a worker's drain: SIGTERM to its process, and its nanny's closing."""

import asyncio

from distributed import Worker

from akkordeon_dask.actors.shutdown._drain import WorkerDrain
from akkordeon_dask.actors.shutdown._nanny import LEAVE_OP, install_nanny_plugin
from akkordeon_dask.actors.shutdown._signals import SigtermHandler

__all__ = ["ShutdownHooks"]


class ShutdownHooks:
    """Lets a worker that is told to end wait for its drain. On its event loop, until it is closed."""

    def __init__(self, worker: Worker, drain: WorkerDrain) -> None:
        self._worker, self._drain = worker, drain
        worker.handlers[LEAVE_OP] = self._leave
        self._sigterm = SigtermHandler.of(worker, drain.leave)
        self._task: asyncio.Task[None] | None = None
        if worker.nanny:
            self._task = asyncio.get_running_loop().create_task(install_nanny_plugin(worker))

    async def _leave(self) -> dict[str, str]:
        """The nanny closes."""
        await self._drain.leave()
        return {"status": "OK"}

    async def close(self) -> None:
        """Remove the hooks and end the drain."""
        if self._sigterm is not None:
            self._sigterm.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._drain.end()
        self._worker.handlers.pop(LEAVE_OP, None)
