"""Functions that run on a worker's event loop, on the actors that it holds."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, ParamSpec, TypeVar

from akkordeon_dask.actors import GateActor, SentinelActor
from akkordeon_dask.errors import AkkordeonError, ClosedError, WorkerLostError
from akkordeon_dask.messages import Address, HeldSentinel, Rollback
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.snapshots import Cut

__all__ = [
    "close_gates",
    "close_sentinels",
    "finish_cut",
    "hold_sentinels",
    "interrupt_sentinels",
    "note_cut",
    "release_sentinels",
    "rewire_sentinels",
    "take_parts",
    "write_parts",
]

P = ParamSpec("P")
T = TypeVar("T")


async def close_gates(keys: Collection[str], dask_worker: Any) -> None:
    """Close the gates with these keys."""
    actors = dask_worker.state.actors
    await asyncio.gather(*(actors[key].close() for key in keys if key in actors), return_exceptions=True)


async def close_sentinels(network: str, dask_worker: Any) -> None:
    """Close the sentinels of a network."""
    closing = [sentinel.close() for sentinel in _sentinels(network, dask_worker)]
    await asyncio.gather(*closing, return_exceptions=True)


async def rewire_sentinels(
    network: str, gates: tuple[Address, ...], generation: int, rollback: Rollback | None, dask_worker: Any
) -> bool:
    """Wire the sentinels of a network to these gates; returns whether all of them are."""
    rewiring = [sentinel.rewire(gates, generation, rollback) for sentinel in _sentinels(network, dask_worker)]
    answers = await asyncio.gather(*rewiring, return_exceptions=True)
    # A sentinel that is not open answers that it is closed: its client wires it when it opens it.
    return not any(isinstance(answer, BaseException) and not isinstance(answer, ClosedError) for answer in answers)


async def interrupt_sentinels(network: str, gate: Address, seconds: float, dask_worker: Any) -> None:
    """Tell the sentinels of a network that a gate is lost and will be restarted."""
    interrupting = [sentinel.interrupt(gate, seconds) for sentinel in _sentinels(network, dask_worker)]
    await asyncio.gather(*interrupting, return_exceptions=True)


def _sentinels(network: str, dask_worker: Any) -> list[SentinelActor]:
    actors = [actor for actor in dask_worker.state.actors.values() if isinstance(actor, SentinelActor)]
    return [actor for actor in actors if actor.network == network]


# Consistent cuts


def _answering(function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T | AkkordeonError]]:
    """Return errors of ours: Dask would log the traceback of one that is raised."""

    @functools.wraps(function)
    async def call(*args: P.args, **options: P.kwargs) -> T | AkkordeonError:
        try:
            return await function(*args, **options)
        except AkkordeonError as error:
            return error

    return call


@_answering
async def hold_sentinels(network: str, cut: str, seconds: float, dask_worker: Any) -> list[HeldSentinel]:
    """Let the training sentinels of a network wait for a cut; returns once no batch of them is in flight."""
    found = [sentinel for sentinel in _sentinels(network, dask_worker) if sentinel.trains]
    held = await together(sentinel.hold(cut, seconds) for sentinel in found)
    return [one for one in held if one is not None]


@_answering
async def release_sentinels(network: str, cut: str, go_on: bool, dask_worker: Any) -> dict[str, float | None]:
    """Let the training sentinels go on, if they should; by key, the seconds that each waited.

    None: it did not all the time.
    """
    found = [sentinel for sentinel in _sentinels(network, dask_worker) if sentinel.trains]
    seconds = await asyncio.gather(*(sentinel.release_from(cut, go_on) for sentinel in found))
    return dict(zip([sentinel.key for sentinel in found], seconds, strict=True))


@_answering
async def take_parts(
    gates: Mapping[str, str], cut: str, held: Mapping[str, HeldSentinel], dask_worker: Any
) -> dict[str, tuple[int, Mapping[str, tuple[int, ...]]]]:
    """Have gates, by key and name, keep their version for a cut; what each has taken, by name."""
    taken = [_gate(key, dask_worker).take_cut(cut, held) for key in gates]
    return dict(zip(gates.values(), await together(taken), strict=True))


@_answering
async def write_parts(gates: Mapping[str, str], cut: str, seconds: float, dask_worker: Any) -> bool:
    """Have gates, by key and name, write their part of a cut, and wait until they have."""
    await together(_gate(key, dask_worker).write_part(cut, seconds) for key in gates)
    return True


@_answering
async def finish_cut(
    key: str, cut: Cut, generation: int, earlier: Mapping[str, Mapping[str, Any]], dask_worker: Any
) -> bool:
    """Have the gate of this key write the manifest of a cut."""
    await _gate(key, dask_worker).finish_cut(cut, generation, earlier)
    return True


@_answering
async def note_cut(gates: Mapping[str, str], numbers: Mapping[str, int], dask_worker: Any) -> bool:
    """Tell gates, by key and name, that a cut with these versions, by name, is complete."""
    await asyncio.gather(*(_gate(key, dask_worker).note_cut(numbers[name]) for key, name in gates.items()))
    return True


def _gate(key: str, dask_worker: Any) -> GateActor:
    actor = dask_worker.state.actors.get(key)
    if not isinstance(actor, GateActor):
        raise WorkerLostError(f"gate {key!r} is not on {dask_worker.address} any more")
    return actor
