"""The mailbox of an actor."""

import queue
import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.messages import Backward, Forward

__all__ = ["Mailbox", "MailboxStatistics"]

_BATCH = Forward, Backward  # a union would be made at each use


@dataclass(frozen=True, slots=True)
class MailboxStatistics:
    """A mailbox at one moment."""

    waiting: int
    """Waiting batches, forward and backward."""
    peak: int
    """The maximum of waiting batches so far."""
    replaced: int
    """Messages replaced by a newer attempt of the same batch, or dropped for one."""


class Mailbox:
    """Control first, then backward, then forward: the oldest work leaves the pipe first.

    Within a lane, first come, first served. A batch waits once: a newer attempt replaces an older one, and any other
    message of the batch is dropped, so no more batches wait than the sentinels' credits allow.

    Threads: any thread may `put`; one thread takes with `get`. A lock guards the lanes; the bell (a C queue)
    wakes the taker.
    """

    def __init__(self) -> None:
        self._control: deque[Any] = deque()
        self._backward: OrderedDict[tuple[str, int], Forward | Backward] = OrderedDict()
        self._forward: OrderedDict[tuple[str, int], Forward | Backward] = OrderedDict()
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
                self._control.append(item)
        self._bell.put(None)

    def _put_batch(self, item: Forward | Backward) -> None:
        batch = item.header.batch
        for lane in (self._backward, self._forward):
            if (older := lane.get(batch)) is not None:
                self._replaced += 1
                if not _newer(item, older):
                    return
                del lane[batch]
        (self._backward if isinstance(item, Backward) else self._forward)[batch] = item
        self._peak = max(self._peak, len(self))

    def get(self, timeout: float) -> object:
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
        if self._control:
            return self._control.popleft()
        lane = self._backward or self._forward
        return lane.popitem(last=False)[1] if lane else None

    def __len__(self) -> int:
        return len(self._backward) + len(self._forward)

    def statistics(self) -> MailboxStatistics:
        """Lengths and counts at this moment."""
        return MailboxStatistics(len(self), self._peak, self._replaced)


def _newer(item: Forward | Backward, older: Forward | Backward) -> bool:
    if item.header.attempt != older.header.attempt:
        return item.header.attempt > older.header.attempt
    return isinstance(item, Backward) and isinstance(older, Forward)
