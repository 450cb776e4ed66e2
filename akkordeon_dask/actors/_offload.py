"""What blocks leaves the event loop."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from distributed import utils
from distributed.utils import offload as dask_offload

__all__ = ["offload"]

P = ParamSpec("P")
T = TypeVar("T")


async def offload(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Call a function that blocks, in Dask's thread for such calls.

    Once the interpreter ends that thread takes no more work: what has to end in order is then called here.
    """
    if threading.main_thread().is_alive():
        result: T = await dask_offload(function, *args, **options)
        return result
    return function(*args, **options)


def _replace_thread() -> None:
    """Give a forked child a thread of its own for such calls: the parent's is not there, and they would wait for it."""
    utils._offload_executor = ThreadPoolExecutor(1, thread_name_prefix="Dask-Offload")


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_replace_thread)
