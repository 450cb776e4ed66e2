"""Questions to the scheduler, and to many workers at once."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from distributed import Client, Scheduler

from akkordeon_dask.errors import DeadlineError, SchedulerLostError
from akkordeon_dask.runtime.cluster._shared import Shared

__all__ = [
    "ask_workers",
    "check_scheduler",
    "keep_awake",
    "ping",
    "scheduler_deadline",
    "scheduler_id",
    "while_known",
    "worker_answers",
]

logger = logging.getLogger(__name__)

_ANSWER = 5.0
"""Seconds in which a scheduler that is asked whether it is there answers."""
_CHECK = 0.25
"""Seconds between two looks at the workers of which an answer is awaited."""

T = TypeVar("T")


@contextlib.asynccontextmanager
async def scheduler_deadline(client: Client, limit: float) -> AsyncIterator[None]:
    """Limit the time of questions to the scheduler to `limit` seconds.

    Raises
    ------
    DeadlineError
        when it does not.
    OSError
        when the client is closed.
    """
    if client.scheduler is None:
        raise OSError(f"client {client.id} is closed")
    address = client.scheduler.address
    try:
        async with asyncio.timeout(limit):
            yield
    except TimeoutError:
        text = f"the scheduler at {address} did not answer within {limit:g} s: look at its log and load"
        raise DeadlineError(text) from None


async def scheduler_id(client: Client) -> str:
    """The name of the scheduler's process: one that is started again has another.

    Raises
    ------
    OSError
        when it does not answer, a DeadlineError is one.
    """
    async with scheduler_deadline(client, _ANSWER):
        return str((await client.scheduler.identity(n_workers=0))["id"])  # type: ignore[union-attr]


async def check_scheduler(client: Client) -> None:
    """Check that the scheduler answers, before a worker is blamed for silence.

    Raises
    ------
    SchedulerLostError
        when it does not.
    """
    await _checks.ask(client.id, partial(_check_scheduler, client))


_checks: Shared[None] = Shared()
"""By client: all who miss a worker ask at one time."""


async def _check_scheduler(client: Client) -> None:
    if client.status == "closed" or client.scheduler is None:
        raise SchedulerLostError("the scheduler is gone, and the client has given it up")
    address = client.scheduler.address
    if client.status != "running":
        raise SchedulerLostError(f"the connection to the scheduler at {address} is broken")
    try:
        await scheduler_id(client)
    except DeadlineError as error:
        raise SchedulerLostError(f"the scheduler at {address} does not answer") from error
    except OSError as error:
        raise SchedulerLostError(f"the scheduler at {address} is gone ({error})") from error


async def keep_awake(client: Client) -> None:
    """Let the scheduler begin anew to count the time in which it is idle. No error when it does not answer."""
    try:
        async with asyncio.timeout(_ANSWER):
            await client.run_on_scheduler(_is_not_idle)
    except Exception as error:
        logger.info("the scheduler may count as idle: %r", error)


def _is_not_idle(dask_scheduler: Scheduler) -> None:
    dask_scheduler.idle_since = None


def ping(dask_worker: Any) -> bool:
    """Let a worker answer that it is there."""
    return True


async def ask_workers(
    client: Client, function: Callable[..., Any], workers: Iterable[str], limit: float, *args: Any
) -> dict[str, Any]:
    """Run a function on workers; returns the answers by worker, without those that are gone or answer too late.

    Parameters
    ----------
    function
        it travels by pickle, its last parameter is `dask_worker`; an error counts as no answer.
    limit
        seconds for each worker.
    """
    found: dict[str, Any] = {}

    async def ask(worker: str) -> None:
        with contextlib.suppress(TimeoutError, OSError, KeyError):
            async with asyncio.timeout(limit):
                answer = (await client.run(function, *args, workers=[worker], on_error="return"))[worker]
            if not isinstance(answer, BaseException):
                found[worker] = answer

    await while_known(client, {worker: (ask(worker), [worker]) for worker in workers})
    return found


async def while_known(
    client: Client, questions: Mapping[str, tuple[Coroutine[Any, Any, T], Collection[str]]]
) -> dict[str, T]:
    """The answers of coroutines, by key, without those that need a worker which the scheduler does not know any more.

    A connection to a worker that is gone is tried for as long as one to a worker that is busy.

    Parameters
    ----------
    questions
        each coroutine with the addresses of the workers that it needs.
    """
    tasks = {asyncio.ensure_future(question): (key, needs) for key, (question, needs) in questions.items()}
    answers: dict[str, T] = {}
    pending = set(tasks)
    try:
        while pending:
            done, pending = await asyncio.wait(pending, timeout=_CHECK)
            answers.update((tasks[one][0], one.result()) for one in done)
            if pending:
                known = await _known_among(client, {worker for one in pending for worker in tasks[one][1]})
                pending = {one for one in pending if known.issuperset(tasks[one][1])}
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return answers


async def _known_among(client: Client, workers: Collection[str]) -> set[str]:
    """Those that the scheduler knows; all where it does not answer, which is no word of any of them."""
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_ANSWER):
            if client.scheduler is not None:
                return set(await client.scheduler.ncores(workers=list(workers)))
    return set(workers)


async def worker_answers(client: Client, worker: str, limit: float) -> bool:
    """Whether a worker answers within `limit` seconds.

    Asked before it is blamed for silence: the scheduler, which hands calls on, may have stood still meanwhile.
    """
    return bool(await ask_workers(client, ping, [worker], limit))
