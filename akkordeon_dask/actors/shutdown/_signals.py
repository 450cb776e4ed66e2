"""SIGTERM to a worker's process waits until the worker's actors have moved off."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType

from distributed import Worker
from distributed.core import Status

__all__ = ["SigtermHandler"]

logger = logging.getLogger(__name__)


class SigtermHandler:
    """Delays SIGTERM to a worker's process until the worker is drained.

    Then, or at once at a second signal, the former handler runs, but not while the worker closes already: Dask would
    cancel that half way and wait for its end for ever, and the process ends with the worker anyway. Only in a process
    that is a Dask worker's own, a nanny's child or `dask worker --no-nanny`: in any other process signals belong to its
    user.
    """

    def __init__(self, worker: Worker, leave: Callable[[], Awaitable[None]]) -> None:
        self._worker, self._leave = worker, leave
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._caught = False
        self._former = signal.signal(signal.SIGTERM, self._catch)
        self._watching = True

    @classmethod
    def of(cls, worker: Worker, leave: Callable[[], Awaitable[None]]) -> "SigtermHandler | None":
        """Handle the signal where it is the worker's. On its event loop."""
        former = signal.getsignal(signal.SIGTERM)
        alone = getattr(former, "__module__", None) == "distributed._signals"
        # Only the main thread may set handlers in Python; a handler set by C code cannot be restored.
        main = threading.current_thread() is threading.main_thread()
        return cls(worker, leave) if main and former is not None and (worker.nanny or alone) else None

    def _catch(self, number: int, frame: FrameType | None) -> None:
        """The signal, between any two instructions of the main thread: nothing may be logged here."""
        if self._caught or not self._watching:
            self._pass_on()
            return
        self._caught = True
        try:
            self._loop.call_soon_threadsafe(self._begin)
        except RuntimeError:  # the loop is closed: the process is about to end
            self._pass_on()

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._end())

    async def _end(self) -> None:
        try:
            await self._leave()
        finally:
            if self._watching and self._worker.status != Status.closing:
                self._pass_on()

    def _pass_on(self) -> None:
        self._watching = False
        signal.signal(signal.SIGTERM, self._former)
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        """Restore the former handler, unless somebody else has set one since. In the main thread."""
        self._watching = False
        if signal.getsignal(signal.SIGTERM) == self._catch:
            signal.signal(signal.SIGTERM, self._former)
