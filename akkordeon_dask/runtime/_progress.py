"""A verb that takes its time, with something to look at meanwhile."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client

from akkordeon_dask.console import Row, View, make_view, pass_line
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._notebook import page_link
from akkordeon_dask.runtime._other_sentinels import Other
from akkordeon_dask.runtime._session import Session

__all__ = ["Show", "make_show", "shown"]

logger = logging.getLogger(__name__)

_BEAT, _LAST = 0.1, 5.0
"""Seconds between two looks, and for the last words of a terminal that does not take them."""
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
        """Show passes and bars until the event, and the passes before it."""
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
        new = self._session.diary.untold(mine=self._mine)
        most = _MOST if self._head else len(new)
        if len(new) > most:
            view.say(f"{len(new) - most:,} passes before, see history")
        for report in new[max(0, len(new) - most) :]:
            view.say(pass_line(report))

    def _rows(self) -> list[Row]:
        own = [one for one in list(self._session.sentinels.values()) if not one.ended and self._chosen(one)]
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
    ended = threading.Event()
    drawing = asyncio.create_task(asyncio.to_thread(show.play, ended))
    try:
        return await call
    finally:
        ended.set()
        done, _ = await asyncio.wait([drawing], timeout=_LAST)
        if done and (error := drawing.exception()) is not None:
            logger.warning("progress is not shown: %r", error)


def _introduction(session: Session) -> str:
    network, link = session.network, page_link(session.client, session.name)
    facts = f"network {session.name}: {len(session.gates)} gates, {network.parameter_count:,} parameters"
    return f"{facts}, {link}" if link else facts


def _row(one: Attached) -> Row:
    newest = one.reports[-1] if one.reports else None
    made = newest.epoch if newest is not None else 0
    # The actor tells of a finished pass at once, and of the next one half a second later.
    progress = one.progress if one.progress is not None and one.progress.epoch > made else None
    epochs = 1 if one.sentinel.mode == "test" else one.until or one.sentinel.epochs
    epoch = progress.epoch if progress is not None else min(made + 1, epochs or made + 1)
    return Row(one.name, epoch, epochs, progress, newest, paused=one.state == "paused")


def _works(one: Other) -> bool:
    return one.ends and one.works


def _other_row(one: Other) -> Row:
    return Row(one.name, one.epoch, 1 if one.mode == "test" else one.epochs, paused=one.state == "paused")
