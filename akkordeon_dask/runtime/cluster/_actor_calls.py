"""Calls to actors, with a deadline and errors that name the actor."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from distributed import Actor, Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeadlineError, DeploymentError, WorkerLostError
from akkordeon_dask.placement import WorkerInfo
from akkordeon_dask.runtime.cluster._payload import ConstructionError
from akkordeon_dask.runtime.cluster._queries import ask_workers, ping
from akkordeon_dask.runtime.cluster._workers import add_tasks, list_workers

__all__ = ["call_actor", "release", "wait_until_created"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NAMED = 3
"""Tasks that a line names."""
_POLL = 0.25
"""Seconds between two checks that the worker is there."""
_BUSY = 4.0
"""Seconds for which an actor waits for a thread of its worker before its user learns what it waits for."""


async def call_actor(
    call: Callable[[], Awaitable[T]], label: str, *, more: float = 0.0, future: Future[Any] | None = None
) -> T:
    """Call an actor and return its answer.

    Parameters
    ----------
    call
        makes the call: Dask reports a lost worker there, or when it is awaited.
    label
        names the actor and its worker in errors: `gate 'g0' on tcp://...`.
    more
        seconds that the actor itself may wait, beside the time for an answer.
    future
        the actor's: its status shows that the worker is gone, while the call still tries to connect to it.

    Raises
    ------
    WorkerLostError
        when its worker is gone.
    DeadlineError
        when it does not answer in time.
    """
    limit = config.seconds("timeouts.control") + more
    try:
        # Python 3.11's wait_for loses a cancellation that comes together with the answer.
        async with asyncio.timeout(limit):
            return await _unless_lost(call, label, future)
    except AkkordeonError:
        raise
    except TimeoutError:
        raise DeadlineError(
            f"{label} did not answer within {limit:g} s: look at its worker's log and load, "
            "or raise akkordeon.timeouts.control"
        ) from None
    except (OSError, KeyError) as error:
        raise _lost(label, error) from None
    except RuntimeError as error:
        if "Actor" not in str(error):
            raise
        raise _lost(label, error) from None
    except Exception as error:
        # The scheduler hands the call on, and makes a plain Exception of a worker's: here, that it has no such actor.
        if type(error) is not Exception or not str(error).startswith("KeyError("):
            raise
        raise _lost(label, error) from None


async def _unless_lost(call: Callable[[], Awaitable[T]], label: str, future: Future[Any] | None) -> T:
    async def called() -> T:
        return await call()

    task = asyncio.ensure_future(called())
    try:
        while not (await asyncio.wait([task], timeout=_POLL))[0]:
            if future is not None and future.status in ("error", "lost", "cancelled"):
                raise WorkerLostError(f"{label} is gone: look at the worker's log, then deploy or attach again")
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _lost(label: str, error: Exception) -> WorkerLostError:
    return WorkerLostError(f"{label} is gone ({error!r}): look at the worker's log, then deploy or attach again")


async def wait_until_created(
    future: Future[Any], kind: type, worker: str, label: str, limit: float, *, insist: bool = True
) -> Actor:
    """Wait for the actor of class `kind` that a worker creates; returns a handle of the future's client.

    AkkordeonErrors of its constructor come through as they are. Dask creates an actor in a task's place: where tasks
    take all threads, a line says so, and without `insist` it is given up.

    Raises
    ------
    DeploymentError
        when it cannot be created, or not in time.
    WorkerLostError
        when its worker goes meanwhile.
    """
    try:
        async with asyncio.timeout(limit):
            await _settled(future, worker, label, insist=insist)
            return await _handle(future, kind, worker)
    except AkkordeonError:
        raise
    except TimeoutError:
        raise DeploymentError(
            f"{label} was not created within {limit:g} s: is the worker busy with other tasks or starting? "
            "See the dashboard, or raise akkordeon.timeouts.deploy"
        ) from None
    except Exception as error:
        cause = str(error) if isinstance(error, ConstructionError) else repr(error)
        raise DeploymentError(
            f"{label} could not be created: {cause}. Do scheduler and worker have the same packages and modules as "
            "this process? A module of your own is handed to them by client.upload_file('FILE.py')"
        ) from error


async def _settled(future: Future[Any], worker: str, label: str, *, insist: bool) -> None:
    """Wait until it is created or has failed; stop early when its worker dies or is paused meanwhile."""
    limit, loop = config.seconds("timeouts.control"), asyncio.get_running_loop()
    begun, waits = loop.time(), False
    done = asyncio.ensure_future(future.exception())
    try:
        while not (await asyncio.wait([done], timeout=_POLL))[0]:
            there = [one for one in await list_workers(future.client) if one.address == worker]
            if not there or not await ask_workers(future.client, ping, [worker], limit):
                raise WorkerLostError(f"worker {worker} is gone or stopped: look at its log, deploy or attach again")
            if loop.time() > begun + _BUSY and not waits:
                waits = await _check_waiting(future.client, there[0], label, insist=insist)
    finally:
        done.cancel()
        await asyncio.gather(done, return_exceptions=True)


async def _check_waiting(client: Client, worker: WorkerInfo, label: str, *, insist: bool) -> bool:
    """Say what an actor waits for on its worker; returns whether it waits.

    Raises
    ------
    DeploymentError
        when the worker is paused, or busy where nobody has to `insist` on it.
    """
    if worker.paused:
        raise DeploymentError(
            f"{label} was not created within {_BUSY:g} s: the worker is paused, as its memory is nearly full "
            "(distributed.worker.memory.pause). Release what is there, or choose another worker"
        )
    (worker,) = await add_tasks([worker], client)
    if not worker.busy:
        return False
    text = f"{label} waits for a thread of worker {worker}, which works on {', '.join(worker.busy[:_NAMED])}"
    if not insist:
        raise DeploymentError(f"{text}: another worker is free")
    logger.warning("%s: it is created when one of them ends", text)
    return True


async def _handle(future: Future[Any], kind: type, worker: str) -> Actor:
    """A new handle of the actor.

    One that was fetched would belong to whichever client is this process's default one at the time, here or in a
    worker of this process. Answers would wake that client's event loop, and it would keep a future of the key,
    which it asks for even when the key is gone.
    """
    if future.status in ("error", "cancelled"):
        await future  # raises its error
    with future.client.as_current():
        return Actor(kind, worker, future.key)


def release(actor: Actor | None) -> None:
    """End the handle's own use of the actor's key on the scheduler, beside that of the future it came from.

    Every call leaves a cycle in Dask that would keep the handle until the next collection of garbage.
    """
    future = getattr(actor, "_future", None)
    if future is not None:
        future.release()
