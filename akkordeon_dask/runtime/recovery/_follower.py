"""Policy of a client that does not own a network: it waits for the owner to restart lost gates."""

import asyncio
import logging

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import AkkordeonError, SchedulerLostError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._recovery_policy import RecoveryPolicy
from akkordeon_dask.runtime._registry import NetworkEntry, RestartPendingError, connect_gates, get, require
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._versions import check_versions
from akkordeon_dask.runtime.handles._gate import GateHandle, Incarnation

__all__ = ["Follower", "join"]

logger = logging.getLogger(__name__)

_AGAIN = 0.2


async def join(client: Client, name: str) -> tuple[NetworkEntry, Network, list[GateHandle]]:
    """The entry of a network that another client owns, its spec and its gates.

    A gate that is lost just now is waited for, where the owner restarts it.

    Raises
    ------
    DeploymentError
        when there is no network of this name, or its gates are gone and stay so for `timeouts.deploy`.
    """

    async def attempt() -> tuple[NetworkEntry, Network, list[GateHandle]]:
        entry = await require(client, name)
        await check_versions(client, [worker for _, worker, _ in entry.gates])
        return entry, entry.network, await connect_gates(client, entry)

    end = asyncio.get_running_loop().time() + config.seconds("timeouts.deploy")
    return await retry(attempt, f"joining network {name!r}", end=end, retryable=(RestartPendingError,), longest=_AGAIN)


class Follower(RecoveryPolicy):
    """Reads the network's entry until that has another incarnation of the lost gate. On the client's event loop."""

    moves = False

    def __init__(self, session: Session) -> None:
        self._session, self.restarts = session, session.entry.snapshots is not None
        self._lock = asyncio.Lock()

    async def gate_lost(self, gate: GateHandle, incarnation: Incarnation, error: AkkordeonError) -> None:
        """Return when the owner has restarted or moved the gate.

        Raises
        ------
        AkkordeonError
            the error, when it has not within `supervision.wait`, or will not.
        """
        async with self._lock:
            if gate.future is not incarnation:  # the entry was read for another gate
                return

            async def attempt() -> bool:
                return await self._adopt_successor(str(incarnation.key), with_scheduler)

            with_scheduler = isinstance(error, SchedulerLostError)
            wait = config.seconds("supervision.scheduler" if with_scheduler else "supervision.wait")
            end = asyncio.get_running_loop().time() + wait
            try:
                adopted = await retry(attempt, f"waiting for the owner of {gate.label}", end=end, longest=_AGAIN)
            except RETRYABLE as failure:
                raise error from failure
            if not adopted:
                raise error

    async def gate_leaving(self, gate: GateHandle, incarnation: Incarnation) -> None:
        """The owner moves it."""

    async def _adopt_successor(self, key: str, with_scheduler: bool) -> bool:
        """Connect to the gates of the entry, once it has another than the gate of this key; False: it never will.

        Where the gates went `with_scheduler`, the owner may still publish them on the next one.
        """
        entry = await get(self._session.client, self._session.name)
        if entry is not None and key not in entry.keys:
            await self._adopt(entry)
            return True
        if self.restarts and (entry is not None or with_scheduler):
            raise RestartPendingError(f"the owner of network {self._session.name!r} has not restarted its gate yet")
        return False

    async def _adopt(self, entry: NetworkEntry) -> None:
        session = self._session
        known = {str(gate.future.key) for gate in session.gates}
        for gate, fresh in zip(session.gates, await connect_gates(session.client, entry), strict=True):
            if str(fresh.future.key) in known:
                fresh.release()
            else:
                gate.replace_actor(fresh)
        session.entry = entry
        for attached in [one for group in session.sentinels.values() for one in group.actors]:
            try:
                await attached.ask(SentinelActor.rewire, session.addresses, entry.generation, entry.rollback)
            except AkkordeonError as error:  # its next poll fails the same way; the owner rewires it too
                logger.info("%s was not rewired: %s", attached.label, error)
