"""Passes and bars on standard output while a verb waits."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any, TypeVar

from akkordeon_dask.console import Row, View, make_view, pass_line
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import PassProgress
from akkordeon_dask.runtime._notebook import page_link
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import Blocking, Interruptible
from akkordeon_dask.runtime.handles._attached_handle import Attached
from akkordeon_dask.runtime.handles._other_sentinel import OtherSentinel

__all__ = ["ProgressDisplay", "draw_during", "has_bar"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_REFRESH, _LAST = 0.1, 5.0
"""Seconds between two drawings, and for the last lines of a terminal that does not take them."""
_LONG = 1.0
"""Seconds after which a validation pass gets a bar: most are over before anybody could read it."""
_MOST = 100
"""Passes that a reader is shown at once: a sentinel may have trained for hours before somebody waits."""


class ProgressDisplay:
    """Shows one user the work of a network, while that user waits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._introduced = False
        """Changed by the threads that draw alone."""

    def begin(self, progress: bool | None, chosen: Callable[[Attached], bool], *, mine: bool) -> "Drawing | None":
        """A drawing that suits standard output, or None; `Running.wait` documents `progress`."""
        view = make_view(progress)
        return None if view is None else Drawing(self, self._session, view, chosen, mine=mine, head=progress is None)

    def introduction(self) -> str:
        """The first line that a reader sees: the network. Empty from the second call on. In a thread that draws."""
        if self._introduced:
            return ""
        self._introduced = True
        session = self._session
        link, parameters = page_link(session.client, session.name), session.network.parameter_count
        facts = f"network {session.name}: {len(session.gates)} gates, {parameters:,} parameters"
        return f"{facts}, {link}" if link else facts


class Drawing:
    """Lines and bars during one wait. The thread that draws only reads the session.

    Parameters
    ----------
    chosen
        the sentinels that get a bar.
    mine
        lines for the passes of this client's sentinels alone.
    head
        a person reads it: begin with the introduction, and do not show too much at once.
    """

    def __init__(
        self,
        display: ProgressDisplay,
        session: Session,
        view: View,
        chosen: Callable[[Attached], bool],
        *,
        mine: bool,
        head: bool,
    ) -> None:
        self._display, self._session, self._view, self._chosen = display, session, view, chosen
        self.client = session.client
        self._mine, self._head = mine, head

    def play(self, ended: threading.Event) -> None:
        """Show passes and bars until the event, and the passes before it.

        Where the terminal goes away, as with a connection, that is logged, and the event waited for.
        """
        try:
            self._play(ended)
        except (OSError, ValueError) as error:
            if self._view.vital:
                raise
            logger.warning("progress is not shown any more: %r", error)
            ended.wait()

    def _play(self, ended: threading.Event) -> None:
        with self._view as view:
            if self._head and (introduction := self._display.introduction()):
                view.say(introduction)
            last = False
            while not last:
                last = ended.is_set()
                self._say_passes(view)
                if not last:
                    view.draw(self._rows())
                    ended.wait(_REFRESH)

    def _say_passes(self, view: View) -> None:
        new = self._session.passes.take_unshown(mine=self._mine)
        most = _MOST if self._head else len(new)
        if len(new) > most:
            view.say(f"{len(new) - most:,} passes before, see history")
        for report in new[max(0, len(new) - most) :]:
            view.say(pass_line(report))

    def _rows(self) -> list[Row]:
        own = [one for one in list(self._session.sentinels.values()) if not one.ended and self._chosen(one)]
        own.sort(key=lambda one: one.sentinel.mode == "validate")
        others = [] if self._mine else [one for one in self._session.others if one.ends and one.works]
        return [*map(_row, own), *map(_other_row, others)]


def draw_during(drawing: Drawing | None, coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T] | Blocking[T]:
    """The coroutine, with the drawing until it has ended.

    Raises
    ------
    ClosedError
        when the client is closed meanwhile.
    """
    return coroutine if drawing is None else _Drawn(drawing, coroutine)


class _Drawn(Blocking[T]):
    """Drawn by a thread of its own: an interrupt comes to the caller's, and leaves no half of a bar on a terminal."""

    def __init__(self, drawing: Drawing, coroutine: Coroutine[Any, Any, T]) -> None:
        self._drawing, self._coroutine = drawing, coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        return _beside(self._coroutine, self._drawing).__await__()

    def block(self) -> T:
        client = self._drawing.client
        call = Interruptible(client, self._coroutine)
        future = asyncio.run_coroutine_threadsafe(call.run(), client.loop.asyncio_loop)  # type: ignore[union-attr]
        ended = threading.Event()
        drawn = _draw_until(ended, self._drawing)
        both: tuple[Future[Any], ...] = (future, drawn)
        try:
            wait(both, return_when=FIRST_COMPLETED)
            if not future.done():
                drawn.result()  # raises: a program that read the passes is gone
            result = future.result()
            _end(ended, drawn)
            if drawn.done():
                drawn.result()
            return result
        except CancelledError:
            raise ClosedError("the client was closed meanwhile: deploy or connect with another one") from None
        except KeyboardInterrupt:
            _end(ended, drawn)
            call.interrupt()
            raise
        finally:
            future.cancel()
            _end(ended, drawn)


async def _beside(coroutine: Coroutine[Any, Any, T], drawing: Drawing) -> T:
    ended = threading.Event()
    drawn = _draw_until(ended, drawing)
    try:
        return await coroutine
    finally:
        ended.set()
        done, _ = await asyncio.wait([asyncio.wrap_future(drawn)], timeout=_LAST)
        for one in done:
            if (error := one.exception()) is not None:
                logger.warning("progress is not shown: %r", error)


def _draw_until(ended: threading.Event, drawing: Drawing) -> "Future[None]":
    """Begin to draw in a thread: neither the caller's nor one of an event loop's few. The future is its end."""
    drawn = Future[None]()
    # A notebook knows by the context which cell the output is of.
    in_context, args = contextvars.copy_context().run, (_play, drawing, ended, drawn)
    threading.Thread(target=in_context, args=args, name="akkordeon-progress", daemon=True).start()
    return drawn


def _end(ended: threading.Event, drawn: "Future[None]") -> None:
    """Let the thread write its last lines, and wait for that."""
    ended.set()
    wait((drawn,), _LAST)


def _play(drawing: Drawing, ended: threading.Event, drawn: "Future[None]") -> None:
    try:
        drawing.play(ended)
        drawn.set_result(None)
    except BaseException as error:
        drawn.set_exception(error)


def has_bar(one: Attached) -> bool:
    """Whether `wait` has a bar for it: those that are waited for, and one whose validation takes its time."""
    if one.sentinel.mode != "validate":
        return True
    progress = _open_pass(one)
    return progress is not None and progress.seconds >= _LONG


def _open_pass(one: Attached) -> PassProgress | None:
    """The progress of the pass after the last reported one: a report comes at once, the next progress later."""
    progress = one.progress
    return progress if progress is not None and progress.epoch > _made(one) else None


def _made(one: Attached) -> int:
    return one.reports[-1].epoch if one.reports else 0


def _row(one: Attached) -> Row:
    newest = one.reports[-1] if one.reports else None
    made, progress = _made(one), _open_pass(one)
    epochs = 1 if one.sentinel.mode == "test" else one.until or one.sentinel.epochs
    epoch = progress.epoch if progress is not None else min(made + 1, epochs or made + 1)
    return Row(one.name, epoch, epochs, progress, newest, paused=one.state == "paused")


def _other_row(one: OtherSentinel) -> Row:
    return Row(one.name, one.epoch, 1 if one.mode == "test" else one.epochs, paused=one.state == "paused")
