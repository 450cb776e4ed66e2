"""What a client that does not own a network does about gates that are lost: it waits for the owner."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeploymentError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._registry import NetworkEntry, connect_gates, get, require
from akkordeon_dask.runtime.cluster._retry import RETRYABLE
from akkordeon_dask.runtime.cluster._versions import check_versions
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["Follower", "join"]

logger = logging.getLogger(__name__)

_PAUSE = 0.2


async def join(client: Client, name: str) -> tuple[NetworkEntry, Network, list[GateHandle]]:
    """A network that another client owns: what is known of it, its spec and its gates.

    A gate that is lost just now is waited for, where the owner makes it anew.

    Raises
    ------
    DeploymentError
        when there is no network of this name, or its gates are gone and stay so for `timeouts.deploy`.
    """
    end = asyncio.get_running_loop().time() + config.seconds("timeouts.deploy")
    while True:
        record = await require(client, name)
        await check_versions(client, [worker for _, worker, _ in record.gates])
        network = record.network
        try:
            return record, network, await connect_gates(client, record)
        except DeploymentError as error:
            if record.keeping is None or asyncio.get_running_loop().time() > end:
                raise
            logger.info("waiting for the owner of network %r: %s", name, error)
        await asyncio.sleep(_PAUSE)


class Follower:
    """Reads the network's record again until it has another life of the lost gate. On the client's event loop.

    Parameters
    ----------
    owner_restarts_gates
        the owner makes lost gates anew; False: it moves them at most.
    """

    def __init__(self, session: "Session", *, owner_restarts_gates: bool) -> None:
        self._session, self.owner_restarts_gates = session, owner_restarts_gates
        self._lock = asyncio.Lock()

    async def gate_lost(self, gate: GateHandle, former: Future[Any] | ForgottenKey, error: AkkordeonError) -> None:
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
                except RETRYABLE as failure:  # a gate was lost again, or the scheduler does not answer just now
                    logger.info("finding %s again: %s", gate.who, failure)
                if not hope or loop.time() > end:
                    raise error
                if gate.future is former:
                    await asyncio.sleep(_PAUSE)

    async def _look(self, former: Future[Any] | ForgottenKey) -> bool:
        """Take over what the record says of the gates; False: nobody makes this one anew."""
        record = await self._record()
        if record is None:
            return False
        if str(former.key) in record.keys:
            return self.owner_restarts_gates
        await self._adopt(record)
        return True

    async def _record(self) -> NetworkEntry | None:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            return await get(self._session.client, self._session.name)

    async def _adopt(self, record: NetworkEntry) -> None:
        session = self._session
        known = {str(gate.future.key) for gate in session.gates}
        for gate, fresh in zip(session.gates, await connect_gates(session.client, record), strict=True):
            if str(fresh.future.key) in known:
                fresh.release()
            else:
                gate.replace_actor(fresh)
        session.generation = record.generation
        for attached in list(session.sentinels.values()):
            try:
                await attached.ask("rewire", session.addresses, session.generation)
            except AkkordeonError as error:  # who follows it learns the same; the owner tells it too
                logger.info("%s was not told where the gates are: %s", attached.who, error)
