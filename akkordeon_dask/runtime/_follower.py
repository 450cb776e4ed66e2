"""What a client that does not own a network does about gates that are lost: it waits for the owner."""

import asyncio
from typing import TYPE_CHECKING, Any

from distributed import Future

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime._gate_handle import GateHandle, Gone
from akkordeon_dask.runtime._publication import Record, reach, read

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["Follower"]

_PAUSE = 0.2


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
                record = await self._record()
                waits = self.patient or str(former.key) not in (record.keys if record is not None else ())
                if record is None or loop.time() > end or not waits:
                    raise error
                if str(former.key) not in record.keys:
                    await self._adopt(record)
                else:
                    await asyncio.sleep(_PAUSE)

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
            await attached.ask("rewire", session.addresses, session.generation)
