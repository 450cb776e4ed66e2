"""Calls of clients to actors that travel together, and wait together for their answers."""

import asyncio
from collections.abc import Iterable
from typing import Any, TypeAlias

from distributed import Worker
from distributed.protocol.pickle import dumps, loads

__all__ = ["CALLS_OP", "Answer", "Call", "CallBatches"]

CALLS_OP = "akkordeon_calls"
"""The name of the handler that takes calls and answers them."""

Call: TypeAlias = tuple[int, str, str, bytes]
"""A number that its sender chose, the actor's key, the method's name, and its arguments: a pickle of both kinds."""

Answer: TypeAlias = tuple[int, bool, bytes]
"""A call's number, whether it failed, and a pickle of what its method returned or raised. Each is a pickle on its own:
one that cannot be read breaks no other."""

_SPACING = 50e-6
"""Seconds between two batches of answers, for each call that waits: of many that end at about one time, few are sent
alone."""
_KEPT = 60.0
"""Seconds for which answers wait for a client that does not ask for them any more."""


class _Sender:
    """The calls of one sender. On the worker's event loop."""

    def __init__(self) -> None:
        self.running: dict[asyncio.Task[Answer], Call] = {}
        self.answers: list[Answer] = []
        self.answered = asyncio.Event()
        self.polls = 0
        """The number of requests that are here now."""
        self.left = 0.0
        """The time at which the last one left."""
        self._replied = 0.0

    def finish(self, task: asyncio.Task[Answer]) -> None:
        number, actor, *_ = self.running.pop(task)
        # A worker that does not have the actor any more answers so.
        self.answers.append((number, True, dumps(KeyError(actor))) if task.cancelled() else task.result())
        self.answered.set()

    async def take(self, seconds: float) -> list[Answer]:
        """The answers that there are, as soon as there is one; after `seconds` none."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                while not self.answers:
                    self.answered.clear()
                    await self.answered.wait()
                await asyncio.sleep(max(0.0, self._replied + _SPACING * len(self.running) - loop.time()))
        except TimeoutError:
            pass
        self._replied = loop.time()
        answers, self.answers = self.answers, []
        return answers


class CallBatches:
    """Takes batches of calls to the actors of a worker, and answers each as soon as one of its sender's has an answer.

    However many actors a client calls or waits for, it needs one connection for what waits, and one for a moment to
    add more. The methods run as with Dask's own calls to actors. On the worker's event loop.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._senders: dict[str, _Sender] = {}
        self._closed = False

    async def exchange(self, sender: str, calls: Iterable[Call], seconds: float) -> list[Answer]:
        """Begin calls, and return answers of this sender's, now or earlier begun, of which each is returned once.

        Parameters
        ----------
        sender
            its name, unique among all processes.
        seconds
            to wait for an answer; 0: the calls are begun only, and another request brings the answers.
        """
        loop = asyncio.get_running_loop()
        self._forget_absent(loop.time())
        mine = self._senders.setdefault(sender, _Sender())
        mine.polls += 1
        try:
            for call in calls:
                task = loop.create_task(self._run(*call))
                mine.running[task] = call
                task.add_done_callback(mine.finish)
            return await mine.take(seconds) if seconds else []
        finally:
            mine.polls -= 1
            mine.left = loop.time()

    def _forget_absent(self, now: float) -> None:
        for name, one in list(self._senders.items()):
            if not (one.polls or one.running) and (not one.answers or now > one.left + _KEPT):
                del self._senders[name]

    async def _run(self, number: int, actor: str, method: str, arguments: bytes) -> Answer:
        failed, value = await self._call(actor, method, arguments)
        try:
            return number, failed, dumps(value)
        except Exception as error:
            return number, True, dumps(TypeError(f"the answer of {method} cannot travel by pickle: {error!r}"))

    async def _call(self, actor: str, method: str, arguments: bytes) -> tuple[bool, Any]:
        if self._closed:
            return True, KeyError(actor)
        try:
            args, options = loads(arguments)
            result = await self._worker.actor_execute(actor=actor, function=method, args=args, kwargs=options)
        except Exception as error:
            return True, error
        failed = result["status"] != "OK"
        return failed, result["exception" if failed else "result"].data

    async def close(self) -> None:
        """End the calls that still wait: their senders learn that the actor is not here any more."""
        self._closed = True
        tasks = [task for sender in self._senders.values() for task in sender.running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
