"""Calls to actors, with a deadline and errors that say who did not answer."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeadlineError, DeploymentError, WorkerLostError

__all__ = ["answer", "construct"]


async def answer(waiting: Awaitable[Any], who: str, *, more: float = 0.0) -> Any:
    """What an actor answers.

    Parameters
    ----------
    waiting
        the call, made already.
    who
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
        return await asyncio.wait_for(_awaited(waiting), limit)
    except AkkordeonError:
        raise
    except TimeoutError:
        raise DeadlineError(
            f"{who} did not answer within {limit:g} s: look at its worker's log and load, "
            "or raise akkordeon.timeouts.control"
        ) from None
    except (OSError, KeyError) as error:
        raise _lost(who, error) from None
    except RuntimeError as error:
        if "Actor" not in str(error):
            raise
        raise _lost(who, error) from None


async def _awaited(waiting: Awaitable[Any]) -> Any:
    return await waiting


def _lost(who: str, error: Exception) -> WorkerLostError:
    return WorkerLostError(f"{who} is gone ({error!r}): look at the worker's log, then deploy or attach again")


async def construct(future: Any, who: str, limit: float) -> Any:
    """The actor that is being made; AkkordeonErrors of its constructor come through as they are.

    Raises
    ------
    DeploymentError
        when it cannot be made, or not in time.
    """
    try:
        return await asyncio.wait_for(_awaited(future), limit)
    except AkkordeonError:
        raise
    except TimeoutError:
        raise DeploymentError(
            f"{who} was not made within {limit:g} s: is the worker busy with other tasks or starting? "
            "See the dashboard, or raise akkordeon.timeouts.deploy"
        ) from None
    except Exception as error:
        raise DeploymentError(
            f"{who} could not be made: {error!r}. Does that worker have the same packages and modules as this process?"
        ) from error
