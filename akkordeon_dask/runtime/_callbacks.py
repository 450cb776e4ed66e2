"""The callbacks of a network, called with one finished pass after the other."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar

from akkordeon_dask._exceptions import plain_errors
from akkordeon_dask.callbacks import Callback, EarlyStopping, Training
from akkordeon_dask.errors import SpecError
from akkordeon_dask.messages import PassReport

__all__ = ["CallbackQueue"]

logger = logging.getLogger(__name__)

_call: "ContextVar[_Call | None]" = ContextVar("the call of a callback", default=None)
"""Also in the thread of a plain function, and in tasks that it begins."""
_queues: "set[CallbackQueue]" = set()
"""Those of the networks that this process has open. Each is added and removed in single steps of the interpreter."""


class _Call:
    """A call of a callback, by the queue of a network."""

    def __init__(self, queue: "CallbackQueue") -> None:
        self.queue = queue


def _called_by(queue: "CallbackQueue") -> bool:
    """Whether a callback of this queue does what is done now, or has begun the task that does."""
    call = _call.get()
    return call is not None and call.queue is queue


class CallbackQueue:
    """Calls callbacks in the order of passes, on the client's event loop. Any thread may add and remove some.

    Parameters
    ----------
    changed
        called when a pass has been handled.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._active: list[tuple[Callback, Training]] = []
        """Changed in single steps of the interpreter, and copied where it is gone through."""
        self._reports: asyncio.Queue[PassReport] = asyncio.Queue()
        self._pending = 0
        """Passes that some callback has still to see."""
        self._error: Exception | None = None
        self._calling = asyncio.Lock()
        """Held while one is called: no pass comes while another one, or the end, is handled."""
        self._call: _Call | None = None
        """The present call of a callback, or None."""

    @property
    def idle(self) -> bool:
        """The callbacks have seen all passes."""
        return not self._pending

    def add(self, callbacks: Sequence[Callback], training: Training) -> None:
        """Call these with each pass from now on.

        Raises
        ------
        SpecError
            when one is called already, here or by another network, or two of them restore the best weights.
        """
        for one in callbacks:
            self._check_free(one)
        _check_restoring([*(entry[0] for entry in list(self._active)), *callbacks])
        for one in callbacks:
            with plain_errors():
                one.begin()
        self._active.extend([(one, training) for one in callbacks])

    def _has(self, one: Callback) -> bool:
        return any(entry[0] is one for entry in list(self._active))

    def _check_free(self, one: Callback) -> None:
        if self._has(one):
            raise SpecError(f"{one!r} is called already, and would see each pass twice: add it once, or make another")
        if any(other._has(one) for other in list(_queues)):
            raise SpecError(f"{one!r} is called by another network, and would mix the passes of both: make another")

    def remove(self, callbacks: Sequence[Callback]) -> None:
        """Call these no more."""
        for entry in list(self._active):
            if any(entry[0] is one for one in callbacks):
                with contextlib.suppress(ValueError):  # it was removed twice
                    self._active.remove(entry)

    def add_pass(self, report: PassReport) -> None:
        """Note a finished pass; not that of a test by a callback, which would be called again for it, without end."""
        if self._active and not (report.mode == "test" and _called_by(self)):
            self._pending += 1
            self._reports.put_nowait(report)

    def check(self) -> None:
        """Raise the first error of a callback, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def check_monitors(self) -> None:
        """Check that all figures that callbacks monitor are there.

        Raises
        ------
        SpecError
            when one is not: lists those there are.
        """
        for one, training in list(self._active):
            with plain_errors():
                one.check(training.figures())

    def refuse_inside(self, verb: str) -> None:
        """Check that no callback calls a verb that waits for its return.

        Raises
        ------
        SpecError
            when one does.
        """
        if self._call is not None and _call.get() is self._call:
            raise SpecError(
                f"{verb} in a callback would wait for that callback's own end: let it return, and end training with "
                "callbacks.EarlyStopping, or with training.stop in a Callback of your own"
            )

    async def finish(self) -> None:
        """Tell all callbacks that training has come to its end."""
        async with self._calling:
            for one, training in list(self._active):
                with self._calls():
                    await one.on_end(training)

    async def run(self) -> None:
        """Call the callbacks, without end."""
        _queues.add(self)
        try:
            while True:
                await self._call_all(await self._reports.get())
                self._pending -= 1
                self._changed()
        finally:
            _queues.discard(self)

    async def _call_all(self, report: PassReport) -> None:
        async with self._calling:
            for one, training in list(self._active):
                await self._react(one, report, training)

    async def _react(self, one: Callback, report: PassReport, training: Training) -> None:
        try:
            with self._calls():
                await one.on_pass(report, training)
        except Exception as error:
            logger.exception("the callback %r failed on %s", one, report)
            if self._has(one):  # else the `wait` that took it has ended, and a later one has nothing to do with it
                self._error = self._error or error

    @contextlib.contextmanager
    def _calls(self) -> Iterator[None]:
        """A callback is called meanwhile."""
        self._call = _Call(self)
        token = _call.set(self._call)
        try:
            with plain_errors():
                yield
        finally:
            _call.reset(token)
            self._call = None


def _check_restoring(callbacks: Iterable[Callback]) -> None:
    restoring = [one for one in callbacks if isinstance(one, EarlyStopping) and one.restore_best]
    if len(restoring) > 1:
        raise SpecError(
            f"{restoring[0]!r} and {restoring[1]!r} would each restore the weights that are best for it, and the last "
            "one would win: give restore_best=False to the other"
        )
