"""A question that many ask at one time is asked once."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["Shared"]

T = TypeVar("T")


class _Question(Generic[T]):
    def __init__(self, answer: Coroutine[Any, Any, T]) -> None:
        self.task = asyncio.get_running_loop().create_task(answer)
        self.waiting = 0


class Shared(Generic[T]):
    """Coroutines that run now, by key: whoever asks for one that runs waits for its result.

    A key belongs to one event loop. A coroutine ends with the last that waits for it.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, _Question[T]] = {}

    async def ask(self, key: Hashable, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the question of this key, or its error."""
        shared = self._running.get(key)
        if shared is None or shared.task.done():
            shared = self._running[key] = _Question(question())
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting:
                if self._running.get(key) is shared:
                    del self._running[key]
                shared.task.cancel()
                await asyncio.gather(shared.task, return_exceptions=True)
