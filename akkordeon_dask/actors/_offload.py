"""What blocks leaves the event loop."""

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

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
