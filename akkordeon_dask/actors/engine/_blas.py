"""One BLAS thread for each product while gates compute."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["enforce_blas", "limit_blas", "release_blas"]

logger = logging.getLogger(__name__)

_LIMIT = 10.0
"""Seconds for what takes microseconds."""
_CHECK = 5.0
"""Seconds between two checks that the limit is in force: one takes milliseconds."""

_lock = threading.Lock()
_owners: set[str] = set()
_limit: Any = None
_next_check = 0.0


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


def enforce_blas() -> bool:
    """Limit BLAS anew where somebody has lifted the limit since; returns whether that was so. Not on an event loop.

    The limit is also one of right results: where two threads multiply at once, an older OpenBLAS that spreads
    each product over threads mixes up their numbers (numpy#29391, numpy#31618).
    """
    global _next_check  # noqa: PLW0603 - as the limit is
    with _lock:
        if _limit is None or time.monotonic() < _next_check:
            return False
        _next_check = time.monotonic() + _CHECK
        counts = _in_own_thread(_lift_count)
    if counts > 1:
        logger.warning(
            "BLAS was set to %d threads while gates compute, and is on 1 again: look for what sets it, such as "
            "threadpoolctl or a library's set_num_threads, and leave it out in the worker's process", counts,
        )  # fmt: skip
    return bool(counts > 1)


def _lift_count() -> int:
    """The largest number of threads of a BLAS library in this process; all are on one thread afterwards."""
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    counts = [library.num_threads for library in libraries]
    for library in libraries:
        # threadpoolctl from 3.8 on hears nobody else while the thread that set a number first lives.
        getattr(library, "clear_controlling_thread", lambda *, force: None)(force=True)
        library.set_num_threads(1)
    return max(counts, default=1)


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
