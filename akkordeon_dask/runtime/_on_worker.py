"""What workers say about the actors that they hold. These functions run on a worker's event loop."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.actors import GateActor, GateStatistics, SentinelActor, SentinelStatistics
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import Address

__all__ = ["GateLook", "Look", "close_gates", "close_sentinels", "look", "rewire_sentinels"]

_PATIENCE = 2.0
"""Seconds for an actor to say what it does: it may be in the middle of a batch."""


@dataclass(frozen=True)
class GateLook:
    """A gate at two moments."""

    before: GateStatistics
    after: GateStatistics
    seconds: float
    """From one to the other."""


@dataclass(frozen=True)
class Look:
    """The actors of a worker that answered."""

    gates: dict[str, GateLook]
    """By key."""
    sentinels: tuple[SentinelStatistics, ...]


async def look(interval: float, dask_worker: Any) -> Look:
    """Ask all gates twice, with `interval` seconds between, and all sentinels once."""
    actors = dask_worker.state.actors
    loop = asyncio.get_running_loop()
    gates = {key: actor for key, actor in actors.items() if isinstance(actor, GateActor)}
    sentinels = [actor for actor in actors.values() if isinstance(actor, SentinelActor)]
    begun = loop.time()
    before = await _all(gates.values())
    if gates and interval > 0:
        await asyncio.sleep(interval - (loop.time() - begun))
    seconds = loop.time() - begun
    *after, told = await asyncio.gather(_all(gates.values()), _all(sentinels))
    pairs = zip(gates, before, after[0], strict=True)
    return Look(
        {key: GateLook(a, b, seconds) for key, a, b in pairs if a is not None and b is not None},
        tuple(one for one in told if one is not None),
    )


async def _all(actors: Collection[Any]) -> list[Any]:
    return await asyncio.gather(*map(_statistics, actors))


async def _statistics(actor: Any) -> Any:
    """What an actor says; None when it does not within `_PATIENCE`, or is being opened or closed."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await actor.statistics()
    except Exception:
        return None


async def close_gates(keys: Collection[str], dask_worker: Any) -> None:
    """Close the gates with these keys that are here."""
    actors = dask_worker.state.actors
    await asyncio.gather(*(actors[key].close() for key in keys if key in actors), return_exceptions=True)


async def close_sentinels(network: str, dask_worker: Any) -> None:
    """Close the sentinels of a network that are here."""
    actors = [actor for actor in dask_worker.state.actors.values() if isinstance(actor, SentinelActor)]
    found = [actor.close() for actor in actors if actor.network == network]
    await asyncio.gather(*found, return_exceptions=True)


async def rewire_sentinels(network: str, gates: tuple[Address, ...], generation: int, dask_worker: Any) -> bool:
    """Let the sentinels of a network that are here go on with these gates; gives whether all have taken notice."""
    actors = [actor for actor in dask_worker.state.actors.values() if isinstance(actor, SentinelActor)]
    found = [actor.rewire(gates, generation) for actor in actors if actor.network == network]
    told = await asyncio.gather(*found, return_exceptions=True)
    # Who is not open yet, or any more, is closed: its client tells it where the gates are when it opens it.
    return not any(isinstance(answer, BaseException) and not isinstance(answer, ClosedError) for answer in told)
