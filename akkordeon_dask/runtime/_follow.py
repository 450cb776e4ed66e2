"""The passes of a running network, one by one as they end."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

from akkordeon_dask.messages import PassReport
from akkordeon_dask.runtime._running import Running

__all__ = ["follow"]


def follow(
    running: Running, epochs: int | None = None, *, wait: Callable[[], object] | None = None, mine: bool = False
) -> Iterator[PassReport]:
    """Yield each pass as it ends, from the first one on, until `running.wait(epochs)` would return.

    The caller's thread stays free to print and to be interrupted: another thread waits, and ends at the latest when
    `running` closes. For a synchronous client.

    Parameters
    ----------
    wait
        called instead of `running.wait(epochs, mine=mine)`.
    mine
        only the passes of this client's sentinels.

    Raises
    ------
    AkkordeonError
        whatever `running.wait` or `wait` raises, after the passes that ended before.
    """
    wait = wait or (lambda: running.wait(epochs, mine=mine, progress=False))
    changes: queue.SimpleQueue[None] = queue.SimpleQueue()
    unsubscribe = running.subscribe(lambda _: changes.put(None), mine=mine)
    end: Future[None] = Future()
    end.add_done_callback(lambda _: changes.put(None))
    threading.Thread(target=_wait, args=(wait, end), name="akkordeon-wait", daemon=True).start()
    yielded, ended = 0, False
    try:
        while not ended:
            # Asked before the history is read, so that no pass that ended before the end is missed.
            ended = end.done()
            new, yielded = running._session.passes.since(yielded, mine=mine)
            yield from new
            if not ended:
                changes.get()
        end.result()
    finally:
        unsubscribe()


def _wait(wait: Callable[[], object], end: "Future[None]") -> None:
    try:
        wait()
        end.set_result(None)
    except BaseException as error:
        end.set_exception(error)
