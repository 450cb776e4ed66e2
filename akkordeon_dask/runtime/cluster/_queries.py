"""Questions to the scheduler, and to many workers at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from distributed import Client

from akkordeon_dask.errors import DeadlineError

__all__ = ["ask_workers", "ping", "scheduler_deadline"]


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


def ping(dask_worker: Any) -> bool:
    """Let a worker answer that it is there."""
    return True


async def ask_workers(
    client: Client, function: Callable[..., Any], workers: Iterable[str], limit: float, *args: Any
) -> dict[str, Any]:
    """Run a function on workers; returns the answers by worker, without those that do not answer in time.

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

    await asyncio.gather(*map(ask, workers))
    return found
