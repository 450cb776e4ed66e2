"""Verbs that are cut short: at their n-th await, or at the n-th step of the event loop."""

import asyncio
import signal
import threading

from akkordeon_dask.runtime import _cut_short


class CutAtAwait:
    """Cancels the task that calls a verb as soon as the verb has come to its n-th await, counted from 0."""

    def __init__(self, monkeypatch, number):
        self._number, self._awaits = number, 0
        self._caller = None
        monkeypatch.setattr(_cut_short, "_run", self._run)

    async def call(self, coroutine):
        """Await the coroutine of a verb; returns whether it was cut short, and its result."""
        self._caller = asyncio.ensure_future(coroutine)
        await self._wait()
        return (True, None) if self._caller.cancelled() else (False, self._caller.result())

    async def _wait(self):
        await asyncio.wait([self._caller])

    async def _run(self, awaitable):
        return await _Counted(awaitable, self._count)

    def _count(self):
        if self._awaits == self._number:
            asyncio.get_running_loop().call_soon(self._caller.cancel)
        self._awaits += 1


class CutAtStep(CutAtAwait):
    """Cancels it after n times some steps of the event loop: in the middle of what it has set off."""

    STEPS = 25

    async def _wait(self):
        for _ in range(self.STEPS * self._number):
            await asyncio.sleep(0)
            if self._caller.done():
                return
        self._caller.cancel()
        await asyncio.wait([self._caller])

    def _count(self):
        """Awaits do not matter."""


class CtrlC(CutAtAwait):
    """Sends the main thread, which calls a verb, the signal of Ctrl-C when the verb has come to its n-th await."""

    def call(self, verb, *args, **options):
        """Call a verb of a synchronous client; returns whether it was interrupted, and its result."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
        try:
            return False, verb(*args, **options)
        except KeyboardInterrupt:
            return True, None
        finally:
            signal.signal(signal.SIGINT, before)

    def _count(self):
        if self._awaits == self._number:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        self._awaits += 1


class _Counted:
    """An awaitable that calls a function at each of its awaits."""

    def __init__(self, awaitable, count):
        self._awaitable, self._count = awaitable, count

    def __await__(self):
        inner = self._awaitable.__await__()
        resume, value = inner.send, None
        while True:
            try:
                awaited = resume(value)
            except StopIteration as stop:
                return stop.value
            self._count()
            try:
                resume, value = inner.send, (yield awaited)
            except BaseException as error:  # the task's cancellation among them
                resume, value = inner.throw, error
