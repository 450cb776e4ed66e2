"""The cell of an actor: mailbox, behavior and thread."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from akkordeon_dask.actors.engine._behavior import Behavior, Computation
from akkordeon_dask.actors.engine._helpers import helpers
from akkordeon_dask.actors.engine._mailbox import Mailbox
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import Metrics

__all__ = ["ActorCell"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_METRICS = 0.25
"""Seconds between two updates of the metrics."""


class _Call:
    """A function for the actor's thread, and the future of its result."""

    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.future: Future[Any] = Future()


class _Stop:
    """The end of the thread."""


class ActorCell:
    """A mailbox, a behavior, and the thread that hands the one's messages to the other.

    No other thread touches the behavior. `call` runs a function in it and `stop` ends it.

    Parameters
    ----------
    ended
        called by the thread, last.
    observe
        called by the thread now and then, with this cell and the time; returns the actor's metrics.
    """

    def __init__(
        self,
        name: str,
        behavior: Behavior,
        ended: Callable[[], None] = lambda: None,
        observe: "Callable[[ActorCell, float], Metrics | None]" = lambda cell, now: None,
    ) -> None:
        self.mailbox = Mailbox()
        self.busy = 0.0
        self.error: BaseException | None = None
        """The error that broke the thread. Read it once the thread is not alive."""
        self.metrics: Metrics | None = None
        """The latest metrics: replaced by the thread, never changed, so any thread may read them."""
        self._behavior = behavior
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

    def assist(self, computation: Computation, send: Callable[[Any], None]) -> bool:
        """Have a helper run an expensive computation, where another batch waits here and a core is idle."""
        waits = len(self.mailbox) > 0
        return waits and not computation.cheap and helpers.offer(lambda: self._compute_aside(computation, send))

    def _compute_aside(self, computation: Computation, send: Callable[[Any], None]) -> None:
        """In a helper's thread: the result is in the mailbox before what it sets off can come back."""
        computation.compute()
        self.mailbox.put(computation)
        send(computation)

    def stop(self) -> None:
        """End the thread after the message it works on. Any thread may call it, more than once."""
        self._stopping = True
        self.mailbox.put(_Stop())

    async def stopped(self, timeout: float) -> None:
        """Wait until the thread has ended, at most `timeout` seconds."""
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._stopped)), timeout)
        # It has only late calls to reject: microseconds.
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
                # Last: whoever puts a call after this finds the thread not alive.
                self._reject_pending()

    def _run_until_stopped(self) -> None:
        try:
            self._run_messages()
        except BaseException as error:
            self._broke(error)  # before the behavior stops: whoever reads it then finds the reason
        finally:
            self._behavior.stop()

    def _broke(self, error: BaseException) -> None:
        self.error = error
        logger.error("%s ended by an error of its own", self._thread.name, exc_info=error)

    def _run_messages(self) -> None:
        due = self._run_timer(time.monotonic())
        while not self._stopping:
            item = self.mailbox.get(timeout=max(0.0, due - time.monotonic()))
            begun, timer_due = time.monotonic(), False
            if isinstance(item, _Call):
                _answer(item)
                timer_due = True
            elif item is not None and not isinstance(item, _Stop):
                timer_due = bool(self._behavior.receive(item))
            now = time.monotonic()
            if item is not None:
                self.busy += now - begun
            if item is None or now >= due or timer_due:
                due = self._run_timer(now)

    def _run_timer(self, now: float) -> float:
        """Run the behavior's timer and update the metrics; returns the time of the next run."""
        seconds = self._behavior.on_timer(now)
        self.metrics = self._observe(self, now)
        return now + min(seconds, _METRICS)

    def _reject_pending(self) -> None:
        """Raise an error in calls that still wait for their answer."""
        while (item := self.mailbox.get(timeout=0)) is not None:
            if isinstance(item, _Call) and item.future.set_running_or_notify_cancel():
                item.future.set_exception(self._closed())

    def _closed(self) -> ClosedError:
        why = "is closed" if self.error is None else f"broke, {self.error!r}"
        return ClosedError(f"{self._thread.name} {why}: deploy or attach it again")


def _answer(call: _Call) -> None:
    if not call.future.set_running_or_notify_cancel():
        return
    try:
        call.future.set_result(call.function())
    except BaseException as error:
        call.future.set_exception(error)
