"""The migration of a gate to another worker: its state is handed over, from worker to worker."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from distributed import Worker
from distributed.comm import Comm
from distributed.protocol import to_serialize
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.gate._state import GateState
from akkordeon_dask.errors import ClosedError, WorkerLostError
from akkordeon_dask.messages import Address

__all__ = ["EXPORT_OP", "Migration", "export_handler", "request_state"]

EXPORT_OP = "akkordeon_handover"
"""The name of the handler that exports a gate's state."""


class Migration:
    """The migration of one gate, on either side. On the event loop.

    Parameters
    ----------
    worker
        the gate's.
    call
        runs a function in a turn of the gate.
    """

    def __init__(
        self, behavior: GateBehavior, worker: Worker, call: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> None:
        self._behavior, self._worker, self._call = behavior, worker, call

    async def import_from(self, former: Address) -> None:
        """Continue where the gate's incarnation on another worker stops now. Before the gate opens."""
        state = await request_state(self._worker, former)
        await offload(self._behavior.import_state, state)

    async def export(self) -> GateState:
        """Stop this incarnation; returns the state for the next one."""
        state: GateState = await self._call(self._behavior.export_state)
        return state

    async def cancel(self) -> None:
        """Continue with this incarnation."""
        await self._call(self._behavior.resume)


async def request_state(worker: Worker, former: Address) -> GateState:
    """The state of a gate on another worker, which computes no more from now on. On the event loop.

    Raises
    ------
    ClosedError
        when there is no such gate.
    WorkerLostError
        when its worker does not answer.
    """
    if former.worker == worker.address:
        return await _export(worker, former.actor)
    try:
        async with asyncio.timeout(config.seconds("timeouts.control")):
            answer = await getattr(worker.rpc(former.worker), EXPORT_OP)(actor=former.actor)
    except OSError as error:  # a TimeoutError is one
        raise WorkerLostError(
            f"{former.actor} on {former.worker} did not export its state ({error!r}): look at that worker's log"
        ) from None
    state = getattr(answer, "data", answer)
    if not isinstance(state, GateState):
        raise ClosedError(f"{former.actor} is not on {former.worker} (any more): {state!r}")
    return state


def export_handler(worker: Worker) -> Callable[[Comm, str], Awaitable[object]]:
    """The handler of `EXPORT_OP`: it stops this incarnation of a gate and answers with its state. On the event loop."""

    async def export_state(comm: Comm, actor: str) -> object:
        try:
            return to_serialize(await _export(worker, actor))
        except (ClosedError, WorkerLostError) as error:
            return {"refused": str(error)}

    return export_state


async def _export(worker: Worker, actor: str) -> GateState:
    gate: Any = worker.state.actors.get(actor)
    if gate is None:
        raise ClosedError(f"{actor} is not on {worker.address} (any more)")
    state: GateState = await gate.export()
    return state
