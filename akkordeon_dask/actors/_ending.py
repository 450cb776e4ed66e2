"""Who tells a worker to end: its nanny, which closes, or a signal to its process."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

from distributed import Worker
from distributed.comm import connect
from distributed.core import Status
from distributed.diagnostics.plugin import NannyPlugin
from distributed.protocol import pickle

from akkordeon_dask import config

__all__ = ["LEAVE_OP", "LeaveFirst", "Termination", "meet_nanny"]

logger = logging.getLogger(__name__)

LEAVE_OP = "akkordeon_leave"
"""The name of the handler that lets a worker leave, and answers when it has."""

_CONNECT, _MORE = 5.0, 2.0
"""Seconds to reach a worker, and beyond its limit for its answer."""


class LeaveFirst(NannyPlugin):
    """Lets a nanny that closes wait until its worker has left.

    Parameters
    ----------
    worker
        its address: another life of it has another one, and registers anew.
    limit
        seconds that the nanny waits.
    """

    name = "akkordeon-leave"

    def __init__(self, worker: str, limit: float) -> None:
        self.worker, self.limit = worker, limit

    async def teardown(self, nanny: Any) -> None:
        """The nanny closes, or was told to drop this plugin; whatever happens to the worker, it can go on."""
        process = nanny.process
        there = process is not None and process.status == Status.running and process.worker_address == self.worker
        if nanny.status != Status.closing or not there:
            return
        tasks = [asyncio.ensure_future(self._ask(nanny.connection_args)), asyncio.ensure_future(process.stopped.wait())]
        try:
            await asyncio.wait(tasks, timeout=self.limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            answer, _ = await asyncio.gather(*tasks, return_exceptions=True)
            if isinstance(answer, BaseException):
                logger.info("worker %s did not say that it has left: %r", self.worker, answer)

    async def _ask(self, connection: dict[str, Any]) -> None:
        # A worker on the same machine which does not take a connection soon hangs, or is gone.
        comm = await connect(self.worker, timeout=_CONNECT, **connection)
        try:
            await comm.write({"op": LEAVE_OP, "reply": True})
            await comm.read()
        finally:
            comm.abort()


async def meet_nanny(worker: Worker) -> None:
    """Let a worker's nanny know what to do when it closes; without that, the worker ends as Dask has it."""
    limit = config.seconds("supervision.leave") + _MORE
    plugin = pickle.dumps(LeaveFirst(worker.address, limit))
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            answer = await worker.rpc(str(worker.nanny)).plugin_add(plugin=plugin, name=LeaveFirst.name)
    except Exception as error:
        logger.warning("the nanny of %s will end it without notice: %r", worker.address, error)
        return
    if answer.get("status") != "OK":
        logger.warning("the nanny of %s will end it without notice: %r", worker.address, answer)


class Termination:
    """Lets SIGTERM to a worker's process wait until the worker has left.

    Then, or at a second signal at once, it happens what would have happened without this. Only in a process that is a
    Dask worker's own, nanny's child or `dask worker --no-nanny`: in any other one signals are its user's.
    """

    def __init__(self, leave: Callable[[], Awaitable[None]]) -> None:
        self._leave = leave
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._caught = False
        self._former = signal.signal(signal.SIGTERM, self._catch)
        self._watching = True

    @classmethod
    def of(cls, worker: Worker, leave: Callable[[], Awaitable[None]]) -> "Termination | None":
        """Watch for the signal where it is the worker's. On its event loop."""
        former = signal.getsignal(signal.SIGTERM)
        alone = getattr(former, "__module__", None) == "distributed._signals"
        # Python lets only the main thread see to signals; a handler that C code has put there cannot be put back.
        main = threading.current_thread() is threading.main_thread()
        return cls(leave) if main and former is not None and (worker.nanny or alone) else None

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
            if self._watching:
                self._pass_on()

    def _pass_on(self) -> None:
        self._watching = False
        signal.signal(signal.SIGTERM, self._former)
        os.kill(os.getpid(), signal.SIGTERM)

    def stop(self) -> None:
        """Put the former handler back, where nobody else has put one there since. In the main thread."""
        self._watching = False
        if signal.getsignal(signal.SIGTERM) == self._catch:
            signal.signal(signal.SIGTERM, self._former)
