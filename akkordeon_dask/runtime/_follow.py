"""The passes of a running network, one by one as they end."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime._running import Running

__all__ = ["follow"]


def follow(
    running: Running, epochs: int | None = None, *, wait: Callable[[], Any] | None = None, mine: bool = False
) -> Iterator[PassReport]:
    """`running.wait(epochs)`, seen from inside: gives each pass as it ends, from the first one on.

    The caller's thread stays free to print and to be interrupted: another one waits, and is done at the
    latest when `running` closes. For a synchronous client.

    Parameters
    ----------
    wait
        what is waited for instead of `running.wait(epochs, mine=mine)`.
    mine
        give the passes of this client's sentinels alone.

    Raises
    ------
    AkkordeonError
        what `running.wait` raises, or `wait`, after the passes that ended before.
    """
    wait = wait or (lambda: running.wait(epochs, mine=mine, progress=False))
    news: queue.SimpleQueue[None] = queue.SimpleQueue()
    silence = running.subscribe(lambda _: news.put(None), mine=mine)
    end: Future[None] = Future()
    end.add_done_callback(lambda _: news.put(None))
    threading.Thread(target=_wait, args=(wait, end), name="akkordeon-wait", daemon=True).start()
    given, ended = 0, False
    try:
        while not ended:
            # Asked before the history is read, so that what ended before the end is not missed.
            ended = end.done()
            history = running.passes(mine=mine)
            yield from history[given:]
            given = len(history)
            if not ended:
                news.get()
        end.result()
    finally:
        silence()


def _wait(wait: Callable[[], Any], end: "Future[None]") -> None:
    try:
        wait()
        end.set_result(None)
    except BaseException as error:
        end.set_exception(error)
