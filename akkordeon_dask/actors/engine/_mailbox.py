"""The mailbox of an actor."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from akkordeon_dask.messages import Backward, Forward

__all__ = ["BACKWARD", "CONTROL", "ENTRY", "FORWARD", "LANES", "RESULT", "Mailbox", "MailboxStatistics"]

RESULT, CONTROL, BACKWARD, FORWARD, ENTRY = LANES = range(5)
"""The lanes, the most urgent one first. Results are of the actor's own computations. A forward pass into the first gate
is new work, all others are old."""


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
    """Results and control first, then backward, then forward: the oldest work leaves the pipe first.

    Within a lane, first come, first served. A batch waits once: a newer attempt replaces an older one, and any other
    message of the batch is dropped, so no more batches wait than the sentinels' credits allow.

    Threads: its dispatcher's lock guards it; any thread may read its length and statistics.
    """

    def __init__(self) -> None:
        self.entry = False
        """Forward passes are new work here: it is the first gate's."""
        self._lanes: tuple[deque[Any], ...] = tuple(deque() for _ in LANES)
        self._results, self._control, self._backward, self._forward, self._entry = self._lanes
        self._batches: dict[tuple[str, int], Forward | Backward] = {}
        self._peak = 0
        self._replaced = 0

    def put(self, item: Any) -> int | None:
        """Add a message, or anything else as control; returns its lane, None where a newer message waits already."""
        kind = type(item)
        if kind is not Forward and kind is not Backward:
            self._control.append(item)
            return CONTROL
        lane = BACKWARD if kind is Backward else ENTRY if self.entry else FORWARD
        batches, batch = self._batches, item.header.batch
        older = batches.get(batch)
        if older is not None and not self._replaces(item, older):
            return None
        batches[batch] = item
        self._lanes[lane].append(item)
        self._peak = max(self._peak, len(batches))
        return lane

    def put_first(self, item: Any) -> None:
        """Add a control message in front of all others."""
        self._control.appendleft(item)

    def put_result(self, computation: Any) -> None:
        """Add a computation that was run elsewhere."""
        self._results.append(computation)

    def _replaces(self, item: Forward | Backward, older: Forward | Backward) -> bool:
        """Count one of two messages of a batch as replaced; remove the older one where it is."""
        self._replaced += 1
        newer = _newer(item, older)
        if newer:
            self._remove(older)
        return newer

    def _remove(self, older: Forward | Backward) -> None:
        for lane in self._lanes:
            kept = [item for item in lane if item is not older]  # by identity: equal arrays are compared slowly
            if len(kept) < len(lane):
                lane.clear()
                lane.extend(kept)

    def lane(self, *, fenced: bool = False) -> int | None:
        """The lane of the next message; None where there is none.

        Parameters
        ----------
        fenced
            only results are taken.
        """
        if self._results:
            return RESULT
        if fenced:
            return None
        if self._control:
            return CONTROL
        if self._backward:
            return BACKWARD
        if self._forward:
            return FORWARD
        return ENTRY if self._entry else None

    def first_control(self) -> object:
        """The next control message; None where there is none."""
        return self._control[0] if self._control else None

    def take(self, lane: int) -> object:
        """The next message of a lane, which has one."""
        item: Any = self._lanes[lane].popleft()
        if lane >= BACKWARD:
            del self._batches[item.header.batch]
        return item

    def put_back(self, item: Forward | Backward, lane: int) -> None:
        """Have an item that was just taken be the next one of its lane."""
        if item.header.batch not in self._batches:  # else a newer attempt has come
            self._batches[item.header.batch] = item
            self._lanes[lane].appendleft(item)

    def drain(self) -> Iterator[object]:
        """Take everything."""
        while (lane := self.lane()) is not None:
            yield self.take(lane)

    @property
    def batches(self) -> tuple[Forward | Backward, ...]:
        """The batches that wait."""
        return tuple(self._batches.values())

    def __len__(self) -> int:
        return len(self._batches)

    def statistics(self) -> MailboxStatistics:
        """Lengths and counts at this moment."""
        return MailboxStatistics(len(self), self._peak, self._replaced)


def _newer(item: Forward | Backward, older: Forward | Backward) -> bool:
    if item.header.attempt != older.header.attempt:
        return item.header.attempt > older.header.attempt
    return isinstance(item, Backward) and isinstance(older, Forward)
