"""One BLAS thread for each product while gates compute."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["limit_blas", "release_blas"]

_LIMIT = 10.0
"""Seconds for what takes microseconds."""

_lock = threading.Lock()
_owners: set[str] = set()
_limit: Any = None


def limit_blas(owner: str) -> None:
    """Have BLAS calls on one thread each in this process, until `owner` releases them. Not on an event loop.

    BLAS has one pool of threads a process, which gates that multiply at once would wait for. What the
    process had before comes back with the last owner's release. Guarded by a lock.
    """
    global _limit  # noqa: PLW0603 - BLAS's setting is global, so is the memory of what it was
    with _lock:
        _owners.add(owner)
        if _limit is None:
            _limit = _in_own_thread(lambda: ThreadpoolController().limit(limits=1, user_api="blas"))


def release_blas(owner: str) -> None:
    """The owner computes no more."""
    global _limit
    with _lock:
        _owners.discard(owner)
        if _limit is not None and not _owners:
            limit, _limit = _limit, None
            with contextlib.suppress(RuntimeError):  # no thread begins in an interpreter that ends
                _in_own_thread(limit.restore_original_limits)


def _in_own_thread(change: Callable[[], Any]) -> Any:
    """Do it in a thread that ends with it.

    The number of BLAS threads is the word of the thread that said it first, for threadpoolctl from 3.8 on: while that
    one lives, others are not heard.
    """
    done: Future[Any] = Future()

    def run() -> None:
        try:
            done.set_result(change())
        except BaseException as error:  # raised again where it is waited for
            done.set_exception(error)

    thread = threading.Thread(target=run, name="akkordeon blas")
    thread.start()
    result = done.result(_LIMIT)
    thread.join(_LIMIT)
    return result
