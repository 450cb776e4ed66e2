"""All training sentinels of a network, whoever attached them: paused, and let go on."""

import asyncio
import contextlib
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import AkkordeonError, DeadlineError
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime._registry import require
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.cluster._workers import list_workers

__all__ = ["pause", "resume"]


def pause(name: str, client: Client) -> Any:
    """Let all training sentinels of a published network stop, whoever attached them, when what they sent is home.

    It needs no owner. Who waits for one of them goes on waiting; a sentinel that joins later trains.

    Returns
    -------
    tuple of str
        the names of those that are paused now; with an asynchronous client, an awaitable of it.

    Raises
    ------
    DeploymentError
        when there is no network of this name.
    DeadlineError
        when a worker does not answer within `timeouts.control`: others are paused then.
    """
    return check_client(client).sync(_change, check_name("a network's name", name), client, "paused")


def resume(name: str, client: Client) -> Any:
    """Let those go on that `pause` stopped; gives and raises what `pause` does."""
    return check_client(client).sync(_change, check_name("a network's name", name), client, "resumed")


async def _change(name: str, client: Client, event: str) -> tuple[str, ...]:
    await require(client, name)
    limit = config.seconds("timeouts.control")
    async with scheduler_deadline(client, limit):
        workers = [worker.address for worker in await list_workers(client)]
    answers = await asyncio.gather(*(_ask(client, worker, name, event, limit) for worker in workers))
    told = dict(zip(workers, answers, strict=True))
    changed = tuple(sorted(sentinel for names in told.values() for sentinel in names or ()))
    if changed:
        await log_event(client, name, event, text=f"{', '.join(changed)}, by client {client.id}")
    if silent := [worker for worker, names in told.items() if names is None]:
        raise DeadlineError(
            f"{event} are {', '.join(changed) or 'none'}; no answer within {limit:g} s from {', '.join(silent)}: "
            "a sentinel there may do so yet: look at the worker"
        )
    return changed


async def _ask(client: Client, worker: str, name: str, event: str, limit: float) -> list[str] | None:
    """The names of the sentinels on a worker that are so now; None: it does not answer."""
    function = _pause_here if event == "paused" else _resume_here
    try:
        async with asyncio.timeout(limit):
            answer = (await client.run(function, name, workers=[worker], on_error="return"))[worker]
    except (TimeoutError, OSError, KeyError):
        return None
    if isinstance(answer, ImportError):  # it has not this package, and no sentinel
        return []
    return None if isinstance(answer, BaseException) else list(answer)


async def _pause_here(network: str, dask_worker: Any) -> list[str]:
    """On a worker: pause the training sentinels that are here."""
    found = await _training(network, dask_worker, "running")
    await asyncio.gather(*map(_pause_one, found.values()))
    return list(found)


async def _pause_one(actor: SentinelActor) -> None:
    # It is paused at once; what is under way may not come home for long, where a gate is lost.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(config.seconds("timeouts.control") / 2):
            await actor.pause()


async def _resume_here(network: str, dask_worker: Any) -> list[str]:
    """On a worker: let the paused sentinels go on that are here."""
    found = await _training(network, dask_worker, "paused")
    await asyncio.gather(*(actor.resume() for actor in found.values()))
    return list(found)


async def _training(network: str, dask_worker: Any, state: str) -> dict[str, SentinelActor]:
    """By name. One that is being opened or closed is not among them."""
    found: dict[str, SentinelActor] = {}
    for actor in list(dask_worker.state.actors.values()):
        if isinstance(actor, SentinelActor) and actor.network == network:
            with contextlib.suppress(AkkordeonError):
                told = await actor.statistics()
                if told.mode == "train" and told.state == state:
                    found[told.sentinel] = actor
    return found
