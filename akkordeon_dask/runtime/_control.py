"""Calls to actors, with a deadline and errors that say who did not answer."""

import asyncio
import pickle
from collections.abc import Awaitable, Callable
from typing import Any

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeadlineError, DeploymentError, SpecError, WorkerLostError

__all__ = ["answer", "construct", "let_go", "submit"]


async def answer(call: Callable[[], Awaitable[Any]], who: str, *, more: float = 0.0) -> Any:
    """What an actor answers.

    Parameters
    ----------
    call
        makes the call: Dask tells of a lost worker there, or when it is awaited.
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
        # Python 3.11's wait_for forgets a cancellation that comes together with the answer.
        async with asyncio.timeout(limit):
            return await call()
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


def _lost(who: str, error: Exception) -> WorkerLostError:
    return WorkerLostError(f"{who} is gone ({error!r}): look at the worker's log, then deploy or attach again")


def submit(client: Client, kind: type, key: str, *args: Any, worker: str, who: str, **options: Any) -> Future[Any]:
    """Have an actor made on a worker; its constructor takes its key first.

    Raises
    ------
    SpecError, or the error that an argument raised when it was pickled
        when the arguments cannot travel.
    """
    where = {"workers": [worker], "allow_other_workers": False}
    try:
        return client.submit(kind, key, *args, **options, **where, actor=True, pure=False, key=key)
    except TypeError as error:
        cause: BaseException = error
        while cause.__cause__ or cause.__context__:
            cause = cause.__cause__ or cause.__context__ or cause
        if isinstance(cause, AkkordeonError):
            raise cause from None
        raise SpecError(f"{who} cannot travel to its worker by pickle: {cause}: look at what it was given") from error


async def construct(future: Future[Any], who: str, limit: float) -> Any:
    """The actor that is being made, as a handle of the future's client.

    AkkordeonErrors of its constructor come through as they are.

    Raises
    ------
    DeploymentError
        when it cannot be made, or not in time.
    """
    try:
        async with asyncio.timeout(limit):
            return _bound(await future, future.client)
    except AkkordeonError:
        raise
    except TimeoutError:
        raise DeploymentError(
            f"{who} was not made within {limit:g} s: is the worker busy with other tasks or starting? "
            "See the dashboard, or raise akkordeon.timeouts.deploy"
        ) from None
    except Exception as error:
        raise DeploymentError(
            f"{who} could not be made: {error!r}. Do scheduler and worker have the same packages and modules as this "
            "process? A module of your own is handed to them by client.upload_file('FILE.py')"
        ) from error


def _bound(actor: Any, client: Client) -> Any:
    """The handle made anew for this client.

    A worker in this process hands over its own handle, and another client may be the current one: answers would
    be set in the event loop of that worker or client, and not wake this one.
    """
    with client.as_current():
        return pickle.loads(pickle.dumps(actor))


def let_go(actor: Any) -> None:
    """End the handle's own use of the actor's key on the scheduler, beside that of the future it came from.

    Every call leaves a cycle in Dask that would keep the handle until the next collection of garbage.
    """
    future = getattr(actor, "_future", None)
    if future is not None:
        future.release()
