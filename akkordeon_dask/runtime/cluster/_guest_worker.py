"""This process as a worker of a cluster, for a sentinel whose data are here."""

import os
import socket
from typing import Any, Self

from distributed import Client, Worker
from distributed.core import Status

from akkordeon_dask import config
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.placement import GUEST
from akkordeon_dask.runtime.cluster._embedded import LogNoiseFilter
from akkordeon_dask.runtime.cluster._queries import ask_workers, ping

__all__ = ["GuestWorker"]

_REACH = 5.0
"""Seconds in which the scheduler connects to this worker."""


class GuestWorker:
    """A worker on the client's event loop, from `with` to its end. For a synchronous client.

    It has the resource `GUEST`, by which gates know to stay away, and no nanny. After `pause_tasks` the scheduler
    sends it no tasks either.

    Raises
    ------
    DeploymentError
        when the scheduler does not take it, or cannot connect to it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._worker: Any = None

    @property
    def address(self) -> str:
        """Of the worker."""
        return str(self._worker.address)

    def pause_tasks(self) -> None:
        """Take no more tasks; actors and tasks that are here go on."""
        self._client.sync(self._pause)

    async def _pause(self) -> None:
        self._worker.status = Status.paused

    async def _open(self) -> None:
        assert self._client.scheduler is not None
        limit = config.seconds("timeouts.connect")
        worker = Worker(
            self._client.scheduler.address,
            name=f"sentinel-{socket.gethostname()}-{os.getpid()}",
            nthreads=1,
            memory_limit=0,
            resources={GUEST: 1},
            security=self._client.security,
            death_timeout=limit,
            dashboard=False,
            plugins=(LogNoiseFilter(),),
        )
        try:
            self._worker = await worker
        except (OSError, RuntimeError) as error:  # a TimeoutError is an OSError; Dask has closed it
            raise DeploymentError(
                f"this process could not become a worker of {self._client.scheduler.address} "
                f"({error.__cause__ or error!r}): can the scheduler reach this machine? Else leave out --here"
            ) from error
        except BaseException:
            await self._end(worker)
            raise
        try:
            await self._check_reachable()
        except BaseException:
            await self._end(worker)
            raise

    async def _check_reachable(self) -> None:
        """Check that the scheduler can connect to this worker: it has only told the scheduler its address so far.

        Raises
        ------
        DeploymentError
            when it cannot.
        """
        if not await ask_workers(self._client, ping, [self.address], _REACH):
            raise DeploymentError(
                f"the scheduler does not reach this process at {self.address}: is this machine behind NAT or a "
                "firewall? Run the program where the cluster's machines reach it, a VPN will do, or leave out --here "
                "and put the data where a worker is"
            )

    async def _end(self, worker: Any) -> None:
        await worker.close(timeout=config.seconds("timeouts.close"), nanny=False)

    async def _close(self) -> None:
        if self._worker is not None:
            await self._end(self._worker)

    def __enter__(self) -> Self:
        self._client.sync(self._open)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.sync(self._close)
