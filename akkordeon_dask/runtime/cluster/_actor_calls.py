"""Calls to actors, with a deadline and errors that name the actor."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, TypeVar

from distributed import Actor, Client, Future
from distributed.client import FutureCancelledError

from akkordeon_dask import config
from akkordeon_dask.errors import (
    AkkordeonError,
    DeadlineError,
    DeploymentError,
    SchedulerLostError,
    WorkerLostError,
)
from akkordeon_dask.messages import KEY_PREFIX
from akkordeon_dask.placement import WorkerInfo
from akkordeon_dask.runtime.cluster._payload import ConstructionError
from akkordeon_dask.runtime.cluster._queries import ask_workers, check_scheduler
from akkordeon_dask.runtime.cluster._shared import Shared
from akkordeon_dask.runtime.cluster._worker_calls import GONE
from akkordeon_dask.runtime.cluster._workers import add_tasks, list_workers

__all__ = ["call_actor", "check_connection", "release", "unless_lost", "wait_until_created"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NAMED = 3
"""Tasks that a line names."""
_POLL = 0.25
"""Seconds between two checks that the worker is there."""
_ALL_CANCELLED = ("scheduler-connection-lost", "scheduler-restart")
"""Dask's reasons for cancelling all futures of a client."""
_BUSY = 4.0
"""Seconds for which an actor waits for a thread of its worker before its user learns what it waits for."""


_checks: Shared[tuple[WorkerInfo, Collection[Any]] | None] = Shared()
_tasks: Shared[list[WorkerInfo]] = Shared()
"""By client and worker."""


async def call_actor(call: Callable[[], Awaitable[T]], label: str, *, more: float = 0.0) -> T:
    """Call an actor and return its answer.

    Parameters
    ----------
    call
        makes the call: Dask reports a lost worker there, or when it is awaited.
    label
        names the actor and its worker in errors: `gate 'g0' on tcp://...`.
    more
        seconds that the actor itself may wait, beside the time for an answer.

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
            return await call()
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


async def unless_lost(call: Callable[[], Awaitable[T]], label: str, future: Future[Any] | None) -> T:
    """Call an actor; the status of its `future` shows that it is gone, while the call still tries to connect to it."""

    async def called() -> T:
        return await call()

    task = asyncio.ensure_future(called())
    try:
        while not (await asyncio.wait([task], timeout=_POLL))[0]:
            if future is not None and future.status in GONE:
                raise WorkerLostError(f"{label} is gone: look at the worker's log, then deploy or attach again")
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _lost(label: str, error: Exception) -> WorkerLostError:
    return WorkerLostError(f"{label} is gone ({error!r}): look at the worker's log, then deploy or attach again")


async def check_connection(future: Future[Any]) -> None:
    """Check that silence is not that of the scheduler, before a worker is blamed.

    Raises
    ------
    SchedulerLostError
        when the scheduler does not answer, or the connection to it was broken since the future is known.
    WorkerLostError
        when somebody has cancelled the actor's key.
    """
    await check_scheduler(future.client)
    if future.status != "cancelled":
        return
    try:
        await future
    except FutureCancelledError as cancelled:
        if cancelled.reason not in _ALL_CANCELLED:
            raise WorkerLostError(
                f"actor {future.key} is gone: somebody has cancelled its key, as client.cancel and Future.cancel do. "
                f"Leave keys that begin with {KEY_PREFIX!r} alone, and deploy or attach again"
            ) from None
    raise SchedulerLostError("the connection to the scheduler was broken")


async def wait_until_created(
    future: Future[Any], kind: type, worker: str, label: str, limit: float, *, insist: bool = True
) -> Actor:
    """Wait for the actor of class `kind` that a worker creates; returns a handle of the future's client.

    AkkordeonErrors of its constructor come through as they are. Dask creates an actor in a task's place: where tasks
    take all threads, a line says so, and without `insist` it is given up. A constructor that has begun, which may have
    large arrays to make or to read, has `timeouts.load`.

    Raises
    ------
    DeploymentError
        when it cannot be created, or not in time.
    WorkerLostError
        when its worker goes meanwhile.
    SchedulerLostError
        when the scheduler does not answer: no worker is blamed then.
    """
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(limit) as deadline:
            await _settled(future, worker, label, deadline, insist=insist)
            return await _handle(future, kind, worker)
    except AkkordeonError:
        raise
    except TimeoutError:
        await check_connection(future)
        seconds = asyncio.get_running_loop().time() - begun
        raise DeploymentError(
            f"{label} was not created within {seconds:.3g} s: is the worker busy with other tasks or starting? "
            "See the dashboard, or raise akkordeon.timeouts.deploy, or .load "
            "for one with large arrays"
        ) from None
    except Exception as error:
        if future.status != "error":
            await check_connection(future)
        cause = str(error) if isinstance(error, ConstructionError) else repr(error)
        raise DeploymentError(
            f"{label} could not be created: {cause}. Do scheduler and worker have the same packages and modules as "
            "this process? A module of your own is handed to them by client.upload_file('FILE.py')"
        ) from error


async def _settled(future: Future[Any], worker: str, label: str, deadline: asyncio.Timeout, *, insist: bool) -> None:
    """Wait until it is created or has failed; stop early when its worker dies or is paused meanwhile.

    The deadline is later once its constructor runs.
    """
    loop, client = asyncio.get_running_loop(), future.client
    begun, waits = loop.time(), False
    done = asyncio.ensure_future(future.exception())
    try:
        # All look at the same moments, so that those who wait for one worker share the look.
        while not (await asyncio.wait([done], timeout=_POLL - loop.time() % _POLL))[0]:
            seen = await _checks.ask((client.id, worker), partial(_check_worker, client, worker))
            if done.done():
                return
            if seen is None:
                await check_connection(future)
                raise WorkerLostError(f"worker {worker} is gone or stopped: look at its log, deploy or attach again")
            there, executing = seen
            if future.key in executing:
                deadline.reschedule(max(deadline.when() or 0.0, begun + config.seconds("timeouts.load")))
            elif loop.time() > begun + _BUSY and not waits:
                waits = await _check_waiting(client, there, label, insist=insist)
    finally:
        done.cancel()
        await asyncio.gather(done, return_exceptions=True)


async def _check_worker(client: Client, worker: str) -> tuple[WorkerInfo, Collection[Any]] | None:
    """The worker and the keys that it executes, if the scheduler knows it and it answers."""
    there = [one for one in await list_workers(client) if one.address == worker]
    answers = await ask_workers(client, executing_keys, [worker], config.seconds("timeouts.control")) if there else {}
    return (there[0], answers[worker]) if answers else None


def executing_keys(dask_worker: Any) -> list[Any]:
    """Let a worker answer which tasks it executes, constructors of actors among them."""
    return [task.key for task in dask_worker.state.executing]


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
    (worker,) = await _tasks.ask((client.id, worker.address), partial(add_tasks, [worker], client))
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
