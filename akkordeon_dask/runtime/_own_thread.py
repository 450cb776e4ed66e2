"""The blocking work of a verb, in a thread of its own, which has the event loop await for it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["LoopCalls", "in_own_thread"]

A = TypeVar("A")
T = TypeVar("T")


class LoopCalls:
    """Calls that a thread makes to an event loop, until they are cut short. Each call has a deadline of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._cut = False
        """The verb was cut short: no call begins any more. Only the event loop touches it."""
        self._running: set[asyncio.Task[Any]] = set()
        """Only the event loop touches it."""

    def start(self, call: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """Begin a call. In the thread."""
        return asyncio.run_coroutine_threadsafe(self._run(call), self._loop)

    def ahead(self, call: Callable[[A], Coroutine[Any, Any, T]], arguments: Iterable[A]) -> Iterator[tuple[A, T]]:
        """Each argument with the result of its call; the next call is made meanwhile. In the thread."""
        before: tuple[A, Future[T]] | None = None
        for argument in arguments:
            future = self.start(lambda argument=argument: call(argument))  # type: ignore[misc]
            if before is not None:
                yield before[0], before[1].result()
            before = argument, future
        if before is not None:
            yield before[0], before[1].result()

    async def _run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._cut:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            return await call()
        finally:
            self._running.discard(task)

    async def end(self) -> None:
        """Cancel the calls that run, and all later ones. On the event loop."""
        self._cut = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def in_own_thread(name: str, work: Callable[[LoopCalls], T]) -> T:
    """The result of blocking work in a thread of its own. On the event loop.

    A caller who is cut short waits for the end of the thread, whose next call to the event loop fails.

    Parameters
    ----------
    name
        of the thread.
    """
    calls = LoopCalls(asyncio.get_running_loop())
    done = Future[T]()

    def run() -> None:
        try:
            result = work(calls)
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(result)

    # A daemon: where the event loop ends first, nobody answers its calls, and the process could not end.
    threading.Thread(target=run, name=f"akkordeon {name}", daemon=True).start()
    waiting = asyncio.wrap_future(done)
    try:
        return await asyncio.shield(waiting)
    finally:
        await calls.end()
        await asyncio.wait([waiting])
        waiting.exception()  # of a caller who was cut short, it is that of the cut
