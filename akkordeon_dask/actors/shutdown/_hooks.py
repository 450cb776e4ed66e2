"""The hooks that start a worker's drain: SIGTERM to its process, and its nanny's closing."""

import asyncio

from distributed import Worker

from akkordeon_dask.actors.shutdown._drain import WorkerDrain
from akkordeon_dask.actors.shutdown._nanny import LEAVE_OP, install_nanny_plugin
from akkordeon_dask.actors.shutdown._signals import SigtermHandler

__all__ = ["STAY_OP", "ShutdownHooks"]

STAY_OP = "akkordeon_stay"
"""The name of the handler by which a worker that was to retire stays."""


class ShutdownHooks:
    """Lets a worker that is told to end wait for its drain. On its event loop, until it is closed."""

    def __init__(self, worker: Worker, drain: WorkerDrain) -> None:
        self._worker, self._drain = worker, drain
        worker.handlers[LEAVE_OP] = self._leave
        worker.handlers[STAY_OP] = self._stay
        self._sigterm = SigtermHandler.of(worker, drain.leave)
        self._task: asyncio.Task[None] | None = None
        if worker.nanny:
            self._task = asyncio.get_running_loop().create_task(install_nanny_plugin(worker))

    async def _leave(self) -> dict[str, str]:
        """The nanny closes, or the scheduler retires the worker."""
        await self._drain.leave()
        return {"status": "OK", "stays": self._drain.staying}

    def _stay(self) -> dict[str, str]:
        """The scheduler does not retire the worker after all."""
        self._drain.cancel()
        return {"status": "OK"}

    async def close(self) -> None:
        """Remove the hooks and end the drain."""
        if self._sigterm is not None:
            self._sigterm.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._drain.end()
        for op in (LEAVE_OP, STAY_OP):
            self._worker.handlers.pop(op, None)
