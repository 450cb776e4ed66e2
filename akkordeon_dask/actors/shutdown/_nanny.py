"""The nanny of a worker waits until the worker's actors have moved off."""

import asyncio
import logging
from typing import Any

from distributed import Worker
from distributed.comm import connect
from distributed.core import Status
from distributed.diagnostics.plugin import NannyPlugin
from distributed.protocol import pickle

from akkordeon_dask import config

__all__ = ["LEAVE_OP", "NannyDrainPlugin", "install_nanny_plugin"]

logger = logging.getLogger(__name__)

LEAVE_OP = "akkordeon_leave"
"""The name of the handler that drains a worker, and answers when it is drained."""


_CONNECT, _MORE = 5.0, 2.0
"""Seconds to reach a worker, and beyond its limit for its answer."""


class NannyDrainPlugin(NannyPlugin):
    """Lets a closing nanny wait until its worker is drained.

    Parameters
    ----------
    worker
        its address: a restarted worker has another one, and registers again.
    limit
        seconds that the nanny waits.
    """

    name = "akkordeon-leave"

    def __init__(self, worker: str, limit: float) -> None:
        self.worker, self.limit = worker, limit

    async def teardown(self, nanny: Any) -> None:
        """The nanny closes, or drops this plugin; it continues whatever happens to the worker."""
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
                logger.info("worker %s did not confirm its drain: %r", self.worker, answer)

    async def _ask(self, connection: dict[str, Any]) -> None:
        # A worker on the same machine that does not soon accept a connection hangs, or is gone.
        comm = await connect(self.worker, timeout=_CONNECT, **connection)
        try:
            await comm.write({"op": LEAVE_OP, "reply": True})
            await comm.read()
        finally:
            comm.abort()


async def install_nanny_plugin(worker: Worker) -> None:
    """Install the plugin in a worker's nanny; without it, the worker ends as Dask has it."""
    limit = config.seconds("supervision.leave") + _MORE
    plugin = pickle.dumps(NannyDrainPlugin(worker.address, limit))
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            answer = await worker.rpc(str(worker.nanny)).plugin_add(plugin=plugin, name=NannyDrainPlugin.name)
    except Exception as error:
        logger.warning("the nanny of %s will end it without notice: %r", worker.address, error)
        return
    if answer.get("status") != "OK":
        logger.warning("the nanny of %s will end it without notice: %r", worker.address, answer)
