"""The order in which cells get their turns; who gives them, a thread or a test, is decided elsewhere."""

import heapq
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from akkordeon_dask.actors.engine._cell import HEAVY, Cell, CellState
from akkordeon_dask.actors.engine._mailbox import CONTROL, LANES, RESULT

__all__ = ["Scheduler"]

IDLE, QUEUED, RUNNING, CLOSED = CellState  # a member's look-up takes longer


class Scheduler:
    """Cells with mail, the most urgent lane first across all of them, and their timers.

    New work begins only when nothing old is ready, but beside a thread that has old work another one may begin heavy
    new work. Within a lane, first come, first served.

    Threads: a lock guards it and all that belongs to its cells but their behaviors. Methods that begin with an
    underscore are called with the lock held.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self._queues: tuple[deque[Cell], ...] = tuple(deque() for _ in LANES)
        self._timers: list[tuple[float, int, Cell]] = []
        self._numbers = itertools.count()
        self._cells: set[Cell] = set()

    # Mail

    def open(self, cell: Cell, item: Any) -> None:
        """Give a new cell its turns from now on, beginning with this item."""
        with self.lock:
            self._cells.add(cell)
        self.put(cell, item)

    def put(self, cell: Cell, item: Any) -> None:
        """Add an item to a cell's mailbox, and the cell to the queue."""
        with self.lock:
            lane = cell.mailbox.put(item)
            if lane is not None:
                self._mail(cell, lane)

    def put_first(self, cell: Cell, item: Any) -> None:
        """Add a control message in front of all others."""
        with self.lock:
            cell.mailbox.put_first(item)
            self._mail(cell, CONTROL)

    def _mail(self, cell: Cell, new: int) -> None:
        """Have a cell with new mail in a lane in the queue of its most urgent item."""
        if cell.state is not IDLE and cell.state is not QUEUED:
            return
        lane = cell.next_lane() if cell.computing else new
        if lane is None or (cell.state is QUEUED and cell.queued_in <= lane):
            return
        cell.state, cell.queued_in = QUEUED, lane
        if not cell.stands_in[lane]:
            cell.stands_in[lane] = True
            self._queues[lane].append(cell)
        self._queued(cell, lane)

    def hold(self, cell: Cell, item: Any, lane: int) -> None:
        """Take a message again once all computations of the cell are applied. In its turn."""
        with self.lock:
            cell.hold(item, lane)

    def _queued(self, cell: Cell, lane: int) -> None:
        """A cell was added to the queue."""

    def _pop(self) -> Cell | None:
        """The next cell, which runs from now on; None where none has mail."""
        for lane, queue in enumerate(self._queues):
            while queue:
                cell = queue.popleft()
                cell.stands_in[lane] = False
                if cell.state is QUEUED and cell.queued_in == lane:  # else it was taken from another queue
                    cell.state = RUNNING
                    return cell
        return None

    def _pop_heavy(self) -> Cell | None:
        """The next cell whose first message is heavy, which runs from now on; None where there is none."""
        for lane, queue in enumerate(self._queues):
            for cell in queue:
                if cell.state is QUEUED and cell.queued_in == lane and cell.costs[lane] >= HEAVY:
                    cell.state = RUNNING
                    return cell
        return None

    def _release(self, cell: Cell) -> None:
        """A turn of the cell is over."""
        if cell.state is RUNNING:
            cell.state = IDLE
            lane = cell.next_lane()
            if lane is not None:
                self._mail(cell, lane)

    # Looking at a cell between two turns

    def claim(self, cell: Cell) -> bool:
        """Take a cell on which nobody works, nor at a computation of its; False where somebody does."""
        with self.lock:
            return not cell.computing and cell.mailbox.lane() != RESULT and self._take(cell)

    def _take(self, cell: Cell) -> bool:
        """Take a cell on which nobody works."""
        free = cell.state is IDLE or cell.state is QUEUED
        if free:
            cell.state = RUNNING
        return free

    def unclaim(self, cell: Cell) -> None:
        """Give it back."""
        with self.lock:
            self._release(cell)

    # Timers

    def arm(self, cell: Cell, due: float) -> None:
        """Have the timer of a cell run at this time, and at no other."""
        with self.lock:
            cell.due = due
            heapq.heappush(self._timers, (due, next(self._numbers), cell))

    def _run_timers(self, now: float) -> None:
        """Give mail to the cells whose timer is due."""
        while self._timers and self._timers[0][0] <= now:
            due, _, cell = heapq.heappop(self._timers)
            self._ring(cell, due)

    def _ring(self, cell: Cell, due: float) -> None:
        """A time has come at which the timer of a cell was to run, unless that was changed."""
        if cell.due == due:
            cell.due = math.inf
            cell.mailbox.put(cell.wake())
            self._mail(cell, CONTROL)

    @property
    def _next_timer(self) -> float | None:
        """The time at which the first timer is due; None where there is none."""
        while self._timers and self._timers[0][2].due != self._timers[0][0]:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    # The end of a cell

    def close(self, cell: Cell) -> None:
        """Take no more of its messages. In its last turn."""
        with self.lock:
            if cell.state is CLOSED:
                return
            cell.state, cell.due = CLOSED, math.inf
        cell.end()

    def forget(self, cell: Cell) -> None:
        """It has ended."""
        with self.lock:
            self._cells.discard(cell)

    def drain(self, cell: Cell) -> list[object]:
        """What is left in the mailbox of a closed cell."""
        with self.lock:
            return list(cell.mailbox.drain())
