"""One torch thread for each computation."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute on the calling thread alone, and put back its number of threads afterwards.

    The number belongs to the calling thread; only a thread that calls torch for the first time meanwhile takes it over.
    Gates compute at the same time: more threads for each would only wait for one another.
    """
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:  # a module may set it too
            torch.set_num_threads(before)
