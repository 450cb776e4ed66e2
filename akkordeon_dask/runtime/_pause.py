"""Pause and resume training sentinels: those of all clients, or of one."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import AkkordeonError, DeadlineError
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._cut_short import finished, together
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime._registry import require
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._attached_handle import Attached

__all__ = ["pause", "pause_session", "resume", "resume_session", "training_sentinels"]


@verb
def pause(name: str, client: Client) -> Awaitable[tuple[str, ...]]:
    """Pause all training sentinels of a published network, whoever attached them, as soon as their batches are back.

    It needs no owner. A `wait` for one of them goes on; a sentinel that joins later trains.

    Returns
    -------
    tuple of str
        the names of the sentinels that are paused now.

    Raises
    ------
    DeploymentError
        when there is no network of this name.
    DeadlineError
        when a worker does not answer within `timeouts.control`: others are paused then.

    Examples
    --------
    >>> from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim, pause, resume
    >>> network = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 10), optim.SGD(0.01))
    >>> with deploy(network, name="digits") as running:
    ...     attached = running.attach(Sentinel.train(data.mnist_sample("train")))
    ...     pause("digits", running.client), resume("digits", running.client)
    (('train0',), ('train0',))
    """
    return finished(_change(check_name("a network's name", name), check_client(client), "paused"))


@verb
def resume(name: str, client: Client) -> Awaitable[tuple[str, ...]]:
    """Resume the sentinels that `pause` stopped; returns and raises the same as `pause`.

    Examples
    --------
    >>> from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim, resume
    >>> network = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 10), optim.SGD(0.01))
    >>> with deploy(network, name="digits") as running:
    ...     attached = running.attach(Sentinel.train(data.mnist_sample("train")))
    ...     running.pause()
    ...     resume("digits", running.client)
    ('train0',)
    """
    return finished(_change(check_name("a network's name", name), check_client(client), "resumed"))


async def pause_session(session: Session) -> None:
    """`Running.pause`, on the client's event loop."""
    session.check()
    for attached in training_sentinels(session):
        await attached.pause()


async def resume_session(session: Session) -> None:
    """`Running.resume`, on the client's event loop."""
    session.check()
    for attached in training_sentinels(session):
        await attached.resume()


def training_sentinels(session: Session) -> list[Attached]:
    """The training sentinels of this client that have not failed."""
    there = session.sentinels.values()
    return [attached for attached in there if attached.sentinel.mode == "train" and attached.error is None]


async def _change(name: str, client: Client, event: str) -> tuple[str, ...]:
    await require(client, name)
    limit = config.seconds("timeouts.control")
    async with scheduler_deadline(client, limit):
        workers = [worker.address for worker in await list_workers(client)]
    answers = await together(_change_on(client, worker, name, event, limit) for worker in workers)
    changes = dict(zip(workers, answers, strict=True))
    changed = tuple(sorted(sentinel for names in changes.values() for sentinel in names or ()))
    if changed:
        await log_event(client, name, event, text=f"{', '.join(changed)}, by client {client.id}")
    if silent := [worker for worker, names in changes.items() if names is None]:
        raise DeadlineError(
            f"{event} are {', '.join(changed) or 'none'}; no answer within {limit:g} s from {', '.join(silent)}: "
            "a sentinel there may do so yet: look at the worker"
        )
    return changed


async def _change_on(client: Client, worker: str, name: str, event: str, limit: float) -> list[str] | None:
    """Pause or resume on a worker; returns the names of the sentinels, or None where it does not answer."""
    try:
        async with asyncio.timeout(limit):
            answer = (await client.run(_change_here, name, event, workers=[worker], on_error="return"))[worker]
    except (TimeoutError, OSError, KeyError):
        return None
    if isinstance(answer, ImportError):  # a worker without this package has no sentinel
        return []
    return None if isinstance(answer, BaseException) else list(answer)


async def _change_here(network: str, event: str, dask_worker: Any) -> list[str]:
    """On a worker: pause the training sentinels that are here, or resume those that are paused."""
    found = await _training(network, dask_worker, "running" if event == "paused" else "paused")
    change: Callable[[SentinelActor], Awaitable[object]] = _pause_one if event == "paused" else SentinelActor.resume
    await together(map(change, found.values()))
    return list(found)


async def _pause_one(actor: SentinelActor) -> None:
    # It is paused at once; where a gate is lost its batches in flight may take long to come back.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(config.seconds("timeouts.control") / 2):
            await actor.pause()


async def _training(network: str, dask_worker: Any, state: str) -> dict[str, SentinelActor]:
    """By name. One that is being opened or closed is not among them."""
    found: dict[str, SentinelActor] = {}
    for actor in list(dask_worker.state.actors.values()):
        if isinstance(actor, SentinelActor) and actor.network == network:
            with contextlib.suppress(AkkordeonError):
                statistics = await actor.statistics()
                if statistics.mode == "train" and statistics.state == state:
                    found[statistics.sentinel] = actor
    return found
