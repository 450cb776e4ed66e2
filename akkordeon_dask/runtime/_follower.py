"""What a client that does not own a network does about gates that are lost: it waits for the owner."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeploymentError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._gate_handle import GateHandle, Gone
from akkordeon_dask.runtime._patience import MENDABLE
from akkordeon_dask.runtime._publication import Record, find, reach, read
from akkordeon_dask.runtime._versions import check_versions

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["Follower", "join"]

logger = logging.getLogger(__name__)

_PAUSE = 0.2


async def join(client: Client, name: str) -> tuple[Record, Network, list[GateHandle]]:
    """A network that another client owns: what is known of it, its spec and its gates.

    A gate that is lost just now is waited for, where the owner makes it anew.

    Raises
    ------
    DeploymentError
        when there is no network of this name, or its gates are gone and stay so for `timeouts.deploy`.
    """
    end = asyncio.get_running_loop().time() + config.seconds("timeouts.deploy")
    while True:
        record = await find(client, name)
        await check_versions(client, [worker for _, worker, _ in record.gates])
        network = record.network
        try:
            return record, network, await reach(client, record)
        except DeploymentError as error:
            if record.keeping is None or asyncio.get_running_loop().time() > end:
                raise
            logger.info("waiting for the owner of network %r: %s", name, error)
        await asyncio.sleep(_PAUSE)


class Follower:
    """Reads the network's record again until it has another life of the lost gate. On the client's event loop.

    Parameters
    ----------
    patient
        the owner makes lost gates anew; False: it moves them at most.
    """

    def __init__(self, session: "Session", *, patient: bool) -> None:
        self._session, self.patient = session, patient
        self._lock = asyncio.Lock()

    async def mend(self, gate: GateHandle, former: Future[Any] | Gone, error: AkkordeonError) -> None:
        """Return when the owner has made the gate anew.

        Raises
        ------
        AkkordeonError
            the error, when nobody did so within `supervision.wait`, or the network is not there any more.
        """
        async with self._lock:
            loop = asyncio.get_running_loop()
            end = loop.time() + config.seconds("supervision.wait")
            while gate.future is former:
                hope = True
                try:
                    hope = await self._look(former)
                except MENDABLE as failure:  # a gate was lost again, or the scheduler does not answer just now
                    logger.info("finding %s again: %s", gate.who, failure)
                if not hope or loop.time() > end:
                    raise error
                if gate.future is former:
                    await asyncio.sleep(_PAUSE)

    async def _look(self, former: Future[Any] | Gone) -> bool:
        """Take over what the record says of the gates; False: nobody makes this one anew."""
        record = await self._record()
        if record is None:
            return False
        if str(former.key) in record.keys:
            return self.patient
        await self._adopt(record)
        return True

    async def _record(self) -> Record | None:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            return await read(self._session.client, self._session.name)

    async def _adopt(self, record: Record) -> None:
        session = self._session
        known = {str(gate.future.key) for gate in session.gates}
        for gate, fresh in zip(session.gates, await reach(session.client, record), strict=True):
            if str(fresh.future.key) in known:
                fresh.release()
            else:
                gate.become(fresh)
        session.generation = record.generation
        for attached in list(session.sentinels.values()):
            try:
                await attached.ask("rewire", session.addresses, session.generation)
            except AkkordeonError as error:  # who follows it learns the same; the owner tells it too
                logger.info("%s was not told where the gates are: %s", attached.who, error)
