"""Where an actor's messages wait."""

import queue
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.messages import Backward, Forward

__all__ = ["Mailbox", "MailboxStatistics"]

_CONTROL, _BACKWARD, _FORWARD = range(3)
_BATCH = Forward, Backward  # a union would be made anew at each look


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """A mailbox at one moment."""

    waiting: int
    """Batches that wait, forward and backward."""
    peak: int
    """The most that ever waited at once."""
    replaced: int
    """Messages that gave way to a newer attempt of the same batch, or were one themselves."""


class Mailbox:
    """Control first, then backward, then forward: the oldest work leaves the pipe first.

    Within a lane, first come, first served. A batch waits once: a newer attempt takes the place of an older one,
    and what is not newer is dropped, so no more waits than the sentinels' credits allow.

    Threads: any thread may `put`; one thread takes with `get`. The lanes and the index of waiting
    batches are guarded by a lock; the bell (a C queue) wakes the taker.
    """

    def __init__(self) -> None:
        self._lanes: tuple[deque[Any], deque[Any], deque[Any]] = (deque(), deque(), deque())
        self._waiting: dict[tuple[str, int], Forward | Backward] = {}
        self._lock = threading.Lock()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._peak = 0
        self._replaced = 0

    def put(self, item: Any) -> None:
        """Add a message, or anything else as control. Never blocks."""
        with self._lock:
            if isinstance(item, _BATCH):
                self._put_batch(item)
            else:
                self._lanes[_CONTROL].append(item)
        self._bell.put(None)

    def _put_batch(self, item: Forward | Backward) -> None:
        batch = item.header.batch
        older = self._waiting.get(batch)
        if older is not None:
            self._replaced += 1
            if not _newer(item, older):
                return
        self._waiting[batch] = item
        self._lanes[_BACKWARD if isinstance(item, Backward) else _FORWARD].append(item)
        self._peak = max(self._peak, len(self._waiting))

    def get(self, timeout: float) -> Any:
        """The next message; None when there is none within `timeout` seconds."""
        while True:
            try:
                self._bell.get(timeout=timeout)
            except queue.Empty:
                return None
            with self._lock:
                item = self._take()
            if item is not None:
                return item

    def _take(self) -> Any:
        control, *lanes = self._lanes
        if control:
            return control.popleft()
        for lane in lanes:
            while lane:
                item = lane.popleft()
                batch = item.header.batch
                if self._waiting.get(batch) is item:
                    del self._waiting[batch]
                    return item
        return None

    def __len__(self) -> int:
        return len(self._waiting)

    def statistics(self) -> MailboxStatistics:
        """Lengths and counts at this moment."""
        return MailboxStatistics(len(self._waiting), self._peak, self._replaced)


def _newer(item: Forward | Backward, older: Forward | Backward) -> bool:
    if item.header.attempt != older.header.attempt:
        return item.header.attempt > older.header.attempt
    return isinstance(item, Backward) and isinstance(older, Forward)
