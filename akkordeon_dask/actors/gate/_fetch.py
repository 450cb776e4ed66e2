"""What an actor asks of another one directly, from worker to worker."""

import asyncio
from typing import Any

from distributed import Worker
from distributed.protocol import to_serialize

from akkordeon_dask import config
from akkordeon_dask.actors.gate._migration import Handover
from akkordeon_dask.errors import ClosedError, WorkerLostError
from akkordeon_dask.messages import Address

__all__ = ["HANDOVER_OP", "hand_over", "request_state"]

HANDOVER_OP = "akkordeon_handover"
"""The name of the handler that gives a gate's state away."""


async def request_state(worker: Worker, former: Address) -> Handover:
    """The state of a gate on another worker, which works no more from now on. On the event loop.

    Raises
    ------
    ClosedError
        when there is no such gate.
    WorkerLostError
        when its worker does not answer.
    """
    if former.worker == worker.address:
        return await _give(worker, former.actor)
    try:
        async with asyncio.timeout(config.seconds("timeouts.control")):
            answer = await getattr(worker.rpc(former.worker), HANDOVER_OP)(actor=former.actor)
    except OSError as error:  # a TimeoutError is one
        raise WorkerLostError(
            f"{former.actor} on {former.worker} did not give its state away ({error!r}): look at that worker's log"
        ) from None
    handover = getattr(answer, "data", answer)
    if not isinstance(handover, Handover):
        raise ClosedError(f"{former.actor} is not on {former.worker} (any more): {handover!r}")
    return handover


async def hand_over(worker: Worker, actor: str) -> Any:
    """The handler: end this life of a gate and give its state. On the event loop."""
    try:
        return to_serialize(await _give(worker, actor))
    except ClosedError as error:
        return {"refused": str(error)}


async def _give(worker: Worker, actor: str) -> Handover:
    gate: Any = worker.state.actors.get(actor)
    if gate is None:
        raise ClosedError(f"{actor} is not on {worker.address} (any more)")
    handover: Handover = await gate.hand_over()
    return handover
