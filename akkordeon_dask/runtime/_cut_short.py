"""Verbs that are cut short, by Ctrl-C or by the cancellation of a task: all is as before the call, or as after it."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from typing import Any, Generic, TypeVar

__all__ = ["GRACE", "Revocable", "begun", "close_unstarted", "cuttable", "finished", "revoked", "settled", "together"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

GRACE = 5.0
"""Seconds that a caller who was cut short waits for the rest: a task that needs longer goes on alone."""


class Revocable(Awaitable[T], Generic[T]):
    """An awaitable whose result is revoked where its caller was cut short just before it came."""

    def __init__(self, awaitable: Awaitable[T], revoke: Callable[[T], Awaitable[object]]) -> None:
        self.awaitable, self.revoke = awaitable, revoke

    def __await__(self) -> Generator[Any, Any, T]:
        return self.awaitable.__await__()


def cuttable(awaitable: Awaitable[T]) -> Coroutine[Any, Any, T]:
    """A coroutine of an awaitable that undoes its work where it is cancelled.

    It is cancelled once, however often its caller is: nothing cuts its cleanup short.
    """
    return _cuttable(_Unstarted(awaitable))


class _Unstarted(Generic[T]):
    """Holds an awaitable until it begins; a coroutine that never does, for its caller was cut short, is closed."""

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self.awaitable = awaitable

    def __del__(self) -> None:
        close_unstarted(self.awaitable)


def close_unstarted(awaitable: Awaitable[object]) -> None:
    """Close a coroutine that never began: Python would warn of it."""
    coroutine = awaitable.awaitable if isinstance(awaitable, Revocable) else awaitable
    if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()


async def _cuttable(unstarted: _Unstarted[T]) -> T:
    awaitable = unstarted.awaitable
    task = begun(awaitable)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.cancel()
        await settled(task)
        await revoked(awaitable, task)
        raise


async def revoked(awaitable: Awaitable[T], task: "asyncio.Task[T]") -> None:
    """Revoke the result of a task that has ended, where it has one that can be revoked."""
    if isinstance(awaitable, Revocable) and task.done() and not task.cancelled() and task.exception() is None:
        await settled(begun(awaitable.revoke(task.result())))


def finished(work: Awaitable[T], grace: float | None = GRACE) -> Coroutine[Any, Any, T]:
    """A coroutine of work that runs to its end, whether or not its caller is cancelled.

    A caller who is waits for that, at most `grace` seconds; None: as long as the work takes, which has deadlines.
    """
    return _finished(_Unstarted(work), grace)


async def _finished(unstarted: _Unstarted[T], grace: float | None) -> T:
    task = begun(unstarted.awaitable)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await settled(task, grace)
        raise


async def together(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """The results of all; after an error, or where the caller is cancelled, none of the others is left running."""
    tasks: list[asyncio.Future[T]] = []
    try:
        for one in awaitables:  # it may raise
            tasks.append(asyncio.ensure_future(one))
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def begun(awaitable: Awaitable[T]) -> asyncio.Task[T]:
    """A task of its own for an awaitable. On the event loop."""
    return asyncio.get_running_loop().create_task(_run(awaitable))


async def _run(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def settled(task: "asyncio.Future[Any]", grace: float | None = GRACE) -> None:
    """Wait for a task, at most `grace` seconds: one that needs longer, or whose caller is cut short, goes on alone."""
    _running.add(task)
    task.add_done_callback(_ended)
    await asyncio.wait([task], timeout=grace)


_running: set["asyncio.Future[Any]"] = set()
"""Tasks that nobody else holds. Each is added and removed on its own event loop."""


def _ended(task: "asyncio.Future[Any]") -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.info("a verb that was cut short ended with %r", error)
