"""Tries that others follow."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from akkordeon_dask.errors import DeadlineError, DeploymentError, PlacementError, WorkerLostError

__all__ = ["RETRYABLE", "retry"]

logger = logging.getLogger(__name__)

RETRYABLE = (WorkerLostError, DeadlineError, DeploymentError, PlacementError, OSError)
"""What another try may get past."""

_FIRST, _LONGEST = 0.1, 2.0
"""Seconds between two tries, doubled each time."""


async def retry(
    attempt: Callable[[], Awaitable[None]],
    what: str,
    *,
    end: float,
    mendable: tuple[type[Exception], ...] = RETRYABLE,
) -> None:
    """Try until it is done. Raises what the first try after `end`, by the loop's clock, fails with."""
    loop, pause = asyncio.get_running_loop(), _FIRST
    while True:
        try:
            await attempt()
            return
        except mendable as failure:
            if loop.time() > end:
                raise
            logger.info("%s: %s", what, failure)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)
