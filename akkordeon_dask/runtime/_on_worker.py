"""Functions that run on a worker's event loop, on the actors that it holds."""

import asyncio
from collections.abc import Collection
from typing import Any

from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import Address

__all__ = ["close_gates", "close_sentinels", "rewire_sentinels"]


async def close_gates(keys: Collection[str], dask_worker: Any) -> None:
    """Close the gates with these keys."""
    actors = dask_worker.state.actors
    await asyncio.gather(*(actors[key].close() for key in keys if key in actors), return_exceptions=True)


async def close_sentinels(network: str, dask_worker: Any) -> None:
    """Close the sentinels of a network."""
    closing = [sentinel.close() for sentinel in _sentinels(network, dask_worker)]
    await asyncio.gather(*closing, return_exceptions=True)


async def rewire_sentinels(network: str, gates: tuple[Address, ...], generation: int, dask_worker: Any) -> bool:
    """Wire the sentinels of a network to these gates; returns whether all of them are."""
    rewiring = [sentinel.rewire(gates, generation) for sentinel in _sentinels(network, dask_worker)]
    answers = await asyncio.gather(*rewiring, return_exceptions=True)
    # A sentinel that is not open answers that it is closed: its client wires it when it opens it.
    return not any(isinstance(answer, BaseException) and not isinstance(answer, ClosedError) for answer in answers)


def _sentinels(network: str, dask_worker: Any) -> list[SentinelActor]:
    actors = [actor for actor in dask_worker.state.actors.values() if isinstance(actor, SentinelActor)]
    return [actor for actor in actors if actor.network == network]
