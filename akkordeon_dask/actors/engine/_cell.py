"""The thread of an actor."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from akkordeon_dask.actors.engine._mailbox import Mailbox
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import Metrics

__all__ = ["ActorCell", "Behavior"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIGURES = 0.25
"""Seconds between two sets of figures."""


class Behavior(Protocol):
    """What an actor does, without a thread or a network: a state machine that one thread drives."""

    def receive(self, message: Any) -> bool | None:
        """Work on one message; True when it wants to look at the clock anew. Runs in the actor's thread."""

    def on_timer(self, now: float) -> float:
        """Look at the clock; gives the seconds until it wants to do so again. Runs in the actor's thread."""

    def stop(self) -> None:
        """Let go of everything. Runs in the actor's thread, last."""


class _Call:
    """A function that is run in the actor's thread, with a future for who asked."""

    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.future: Future[Any] = Future()


class _Stop:
    """The end of the thread."""


class ActorCell:
    """One thread that owns a core's state and takes from a mailbox.

    The only thread that touches the core. `call` runs a function in it; `stop` ends it, and `ended` is
    what it calls last. `observe` is called by it now and then, with itself and the time, to take figures.
    """

    def __init__(
        self,
        name: str,
        core: Behavior,
        ended: Callable[[], None] = lambda: None,
        observe: "Callable[[ActorCell, float], Metrics | None]" = lambda thread, now: None,
    ) -> None:
        self.mailbox = Mailbox()
        self.busy = 0.0
        self.error: BaseException | None = None
        """What ended the thread before its time. Read it once the thread is not alive."""
        self.figures: Metrics | None = None
        """What the actor did so far: replaced by its thread, never changed, so any thread may read it."""
        self._core = core
        self._ended, self._observe = ended, observe
        self._stopped = Future[None]()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """The thread runs."""
        return not self._stopped.done()

    async def call(self, function: Callable[[], T], timeout: float) -> T:
        """Run `function` in the actor's thread, before the batches that wait; at most `timeout` seconds.

        Raises
        ------
        ClosedError
            when the actor is closed.
        """
        call = _Call(function)
        self.mailbox.put(call)
        if not self.alive:
            raise self._closed()
        answer: T = await asyncio.wait_for(asyncio.wrap_future(call.future), timeout)
        return answer

    def stop(self) -> None:
        """End the thread after the message it works on. Any thread may call it, more than once."""
        self._stopping = True
        self.mailbox.put(_Stop())

    async def stopped(self, timeout: float) -> None:
        """Wait until the thread has ended, at most `timeout` seconds."""
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._stopped)), timeout)
        # All it has left to do is to answer who came too late: microseconds.
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._run_until_stopped()
        except BaseException as error:
            self._broke(error)
        finally:
            try:
                self._ended()
            finally:
                self._stopped.set_result(None)
                # Last: who puts a call after this sees that the thread is not alive.
                self._reject_pending()

    def _run_until_stopped(self) -> None:
        try:
            self._run_messages()
        except BaseException as error:
            self._broke(error)  # before the core closes: who looks at it then sees why
        finally:
            self._core.stop()

    def _broke(self, error: BaseException) -> None:
        self.error = error
        logger.error("%s ended by an error of its own", self._thread.name, exc_info=error)

    def _run_messages(self) -> None:
        due = self._run_timer(time.monotonic())
        while not self._stopping:
            item = self.mailbox.get(timeout=max(0.0, due - time.monotonic()))
            begun, look = time.monotonic(), False
            if isinstance(item, _Call):
                _answer(item)
                look = True
            elif item is not None and not isinstance(item, _Stop):
                look = bool(self._core.receive(item))
            now = time.monotonic()
            if item is not None:
                self.busy += now - begun
            if item is None or now >= due or look:
                due = self._run_timer(now)

    def _run_timer(self, now: float) -> float:
        """Let the core look at the clock, and take figures; gives the time at which to do so again."""
        patience = self._core.on_timer(now)
        self.figures = self._observe(self, now)
        return now + min(patience, _FIGURES)

    def _reject_pending(self) -> None:
        """Whoever still waits for an answer learns that there will be none."""
        while (item := self.mailbox.get(timeout=0)) is not None:
            if isinstance(item, _Call) and item.future.set_running_or_notify_cancel():
                item.future.set_exception(self._closed())

    def _closed(self) -> ClosedError:
        why = "is closed" if self.error is None else f"broke, {self.error!r}"
        return ClosedError(f"{self._thread.name} {why}: deploy or attach anew")


def _answer(call: _Call) -> None:
    if not call.future.set_running_or_notify_cancel():
        return
    try:
        call.future.set_result(call.function())
    except BaseException as error:
        call.future.set_exception(error)
