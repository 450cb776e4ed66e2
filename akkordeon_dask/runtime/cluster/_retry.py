"""Retry an operation until it succeeds or its time is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from akkordeon_dask.errors import DeadlineError, DeploymentError, PlacementError, WorkerLostError

__all__ = ["RETRYABLE", "retry"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

RETRYABLE = (WorkerLostError, DeadlineError, DeploymentError, PlacementError, OSError)
"""Errors that may be gone at the next attempt."""

_FIRST = 0.1


async def retry(
    attempt: Callable[[], Awaitable[T]],
    doing: str,
    *,
    end: float,
    retryable: tuple[type[Exception], ...] = RETRYABLE,
    longest: float = 2.0,
    hopeless: Callable[[Exception], Awaitable[bool]] | None = None,
) -> T:
    """Return the result of the first attempt that succeeds.

    Parameters
    ----------
    doing
        names the operation in the log.
    end
        by the loop's clock; the first attempt that fails after it raises its error.
    retryable
        errors after which there is another attempt.
    longest
        seconds between two attempts: 0.1, doubled each time up to this.
    hopeless
        after an error, whether another attempt makes no sense.
    """
    loop, pause = asyncio.get_running_loop(), _FIRST
    while True:
        try:
            return await attempt()
        except retryable as failure:
            if loop.time() > end or (hopeless is not None and await hopeless(failure)):
                raise
            logger.info("%s: %s", doing, failure)
        await asyncio.sleep(pause)
        pause = min(2 * pause, longest)
