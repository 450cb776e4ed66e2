"""A verb that takes its time, with something to look at meanwhile."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any

from distributed import Client

from akkordeon_dask.console import Row, View, make_view, pass_line
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import PassProgress
from akkordeon_dask.runtime._notebook import page_link
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.handles._other_sentinel import OtherSentinel
from akkordeon_dask.runtime.handles._sentinel import Attached

__all__ = ["Show", "at_work", "make_show", "shown"]

logger = logging.getLogger(__name__)

_BEAT, _LAST = 0.1, 5.0
"""Seconds between two looks, and for the last words of a terminal that does not take them."""
_LONG = 1.0
"""Seconds that a validation pass goes on before it gets a bar: most are over before anybody could read it."""
_MOST = 100
"""Passes that a reader is shown at once: a sentinel may have trained for hours before somebody waits."""


class Show:
    """What a session does, seen by the thread that draws it. It only reads.

    Parameters
    ----------
    chosen
        the sentinels that get a bar.
    mine
        lines for the passes of this client's sentinels alone.
    head
        a person reads it: say first what network it is, and not too much at once.
    """

    def __init__(
        self, session: Session, view: View, chosen: Callable[[Attached], bool], *, mine: bool, head: bool
    ) -> None:
        self._session, self._view, self._chosen = session, view, chosen
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
            if self._head and not self._session.introduced:
                self._session.introduced = True
                view.say(_introduction(self._session))
            last = False
            while not last:
                last = ended.is_set()
                self._tell(view)
                if not last:
                    view.draw(self._rows())
                    ended.wait(_BEAT)

    def _tell(self, view: View) -> None:
        new = self._session.passes.take_unshown(mine=self._mine)
        most = _MOST if self._head else len(new)
        if len(new) > most:
            view.say(f"{len(new) - most:,} passes before, see history")
        for report in new[max(0, len(new) - most) :]:
            view.say(pass_line(report))

    def _rows(self) -> list[Row]:
        own = [one for one in list(self._session.sentinels.values()) if not one.ended and self._chosen(one)]
        own.sort(key=lambda one: one.sentinel.mode == "validate")
        return [*map(_row, own), *(() if self._mine else map(_other_row, filter(_works, self._session.others)))]


def make_show(
    session: Session, progress: bool | None, chosen: Callable[[Attached], bool], *, mine: bool
) -> Show | None:
    """What standard output is fit for; None: nothing. What `progress` says is `Running.wait`'s."""
    view = make_view(progress)
    return None if view is None else Show(session, view, chosen, mine=mine, head=progress is None)


def shown(client: Client, call: Callable[[], Coroutine[Any, Any, Any]], show: Show) -> Any:
    """What `call` gives, on the client's event loop; the caller's thread draws, or one beside an asynchronous caller.

    Raises
    ------
    ClosedError
        when the client is closed meanwhile.
    AkkordeonError
        what `call` raises.
    """
    if client.asynchronous:
        return _beside(call(), show)
    future = asyncio.run_coroutine_threadsafe(call(), client.loop.asyncio_loop)  # type: ignore[union-attr]
    ended = threading.Event()
    future.add_done_callback(lambda _: ended.set())
    try:
        show.play(ended)
        return future.result()
    except CancelledError:
        raise ClosedError("the client was closed meanwhile: deploy or connect with another one") from None
    finally:
        future.cancel()


async def _beside(call: Awaitable[Any], show: Show) -> Any:
    ended, drawn = threading.Event(), Future[None]()
    # Not one of the loop's few threads. A notebook knows by the context which cell the output is of.
    in_context, args = contextvars.copy_context().run, (_play, show, ended, drawn)
    threading.Thread(target=in_context, args=args, name="akkordeon-progress", daemon=True).start()
    try:
        return await call
    finally:
        ended.set()
        done, _ = await asyncio.wait([asyncio.wrap_future(drawn)], timeout=_LAST)
        for one in done:
            if (error := one.exception()) is not None:
                logger.warning("progress is not shown: %r", error)


def _play(show: Show, ended: threading.Event, drawn: "Future[None]") -> None:
    try:
        show.play(ended)
        drawn.set_result(None)
    except BaseException as error:
        drawn.set_exception(error)


def _introduction(session: Session) -> str:
    network, link = session.network, page_link(session.client, session.name)
    facts = f"network {session.name}: {len(session.gates)} gates, {network.parameter_count:,} parameters"
    return f"{facts}, {link}" if link else facts


def at_work(one: Attached) -> bool:
    """Whether `wait` has a bar for it: those that are waited for, and one whose validation takes its time."""
    if one.sentinel.mode != "validate":
        return True
    progress = _open_pass(one)
    return progress is not None and progress.seconds >= _LONG


def _open_pass(one: Attached) -> PassProgress | None:
    """The actor tells of a finished pass at once, and of the next one half a second later."""
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


def _works(one: OtherSentinel) -> bool:
    return one.ends and one.works


def _other_row(one: OtherSentinel) -> Row:
    return Row(one.name, one.epoch, 1 if one.mode == "test" else one.epochs, paused=one.state == "paused")
