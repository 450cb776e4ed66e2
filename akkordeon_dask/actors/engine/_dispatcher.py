"""The threads of a process that give actors their turns."""

import logging
import threading
import time
from collections.abc import Callable

from akkordeon_dask.actors.engine._behavior import Behavior, Computation
from akkordeon_dask.actors.engine._cell import HEAVY, WORTH_A_THREAD, Cell, CellState
from akkordeon_dask.actors.engine._compute_thread import ComputeThread
from akkordeon_dask.actors.engine._mailbox import CONTROL, ENTRY
from akkordeon_dask.actors.engine._scheduler import Scheduler
from akkordeon_dask.actors.engine._stalls import Stalls
from akkordeon_dask.actors.engine._switch_interval import restore_switch_interval, shorten_switch_interval
from akkordeon_dask.actors.engine._watch import Watch
from akkordeon_dask.messages import Metrics

__all__ = ["Dispatcher", "dispatcher"]

logger = logging.getLogger(__name__)

_LONG = 1e-3
"""Seconds of CPU from which on light work does not wait for the end of heavy work."""
_SAMPLE = 7
"""One in so many cheap messages is timed: a prime number, or it would be the same ones in each round of a pipe."""
_WAITED = 0.05
"""Share of its seconds that a message counts as CPU at least: a thread that only wants a core gets more of it."""
_BUSY, _IDLE = 0.02, 1.0
"""Seconds between two inspections of the threads, with some at work and without."""
_STEP = 0.5
"""Seconds that count between two inspections at most: in a longer pause the process, or the machine, stood still."""
_LIGHT = 2
"""Threads that handle light work at once, at most."""
_REPLACEMENTS = 4
"""Threads that may be stuck, and have another one in their place."""


class Dispatcher(Scheduler):
    """Gives the cells of a process their turns: with as many threads as it may use cores, most of them parked.

    One thread leads: it takes the most urgent cell, hands it some messages, and goes on with the next one, so what an
    actor sets off is handled without any thread being woken. Where it begins heavy work it gives the lead away, to
    a parked thread if heavy work is left. Another thread that is awake takes heavy work first, be it new, and one helps
    with light work. A heavy computation leaves its cell: another thread may begin the cell's next message beside it.
    Threads begin when there is work for them, and end with the last cell.

    Parameters
    ----------
    threads
        how many compute at once. It may be changed at any time.
    messages_per_turn
        of one lane, that a cell is handed in a row. More are faster, for caches stay warm, and gradients are later.
    """

    def __init__(
        self, threads: int = 1, *, messages_per_turn: int = 4, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(clock)
        self.threads = threads
        self.messages_per_turn = messages_per_turn
        self.stalls = Stalls()
        self._leader: ComputeThread | None = None
        self._all: list[ComputeThread] = []
        """Threads that live."""
        self._readers: list[ComputeThread] = []
        """Other threads that work in the place of one."""
        self._parked: list[ComputeThread] = []
        self._leaving: list[threading.Thread] = []
        self._count = 0
        """Messages, about: each thread counts, and two at once may count one. It only spreads the timed ones."""
        self._watch: Watch | None = None
        self._inspected = 0.0
        """The time of the watch's last inspection."""
        self._inspects_at = 0.0
        """The time of the watch's next inspection."""

    def cell(
        self,
        name: str,
        behavior: Behavior,
        ended: Callable[[], None] | None = None,
        observe: Callable[[Cell, float], Metrics] | None = None,
        on_stuck: Callable[[str], None] = lambda text: None,
    ) -> Cell:
        """A new actor; see `Cell`."""
        return Cell(self, name, behavior, ended, observe, on_stuck)

    # Threads begin, park, are woken, and end

    def _queued(self, cell: Cell, lane: int) -> None:
        if self._leader is None:
            costs = [one.cost for one in self.working]
            if not costs or _is_worth_a_thread(max(costs), cell.costs[lane]):
                self.wake()

    def wake(self) -> None:
        """Let a parked thread or a new one lead, where there is one. With the lock held."""
        if self._active >= self._capacity:
            return
        if self._parked:
            one = self._parked.pop()
            self._leader = one
            one.wakeup.release()
        else:
            self._leader = self._begin()

    @property
    def _active(self) -> int:
        """Threads that are not parked, without readers."""
        return len(self._all) - len(self._parked)

    @property
    def _capacity(self) -> int:
        """How many threads may work."""
        return self.threads + min(sum(one.stuck for one in self._all), _REPLACEMENTS)

    @property
    def working(self) -> "list[ComputeThread]":
        """Threads that handle a message. With the lock held."""
        return [one for one in (*self._all, *self._readers) if one.cell is not None]

    def _begin(self) -> ComputeThread:
        name = f"akkordeon compute {len(self._all)}"
        thread = threading.Thread(target=lambda: self._run(one), name=name, daemon=True)
        one = ComputeThread(thread, name)
        self._all.append(one)
        if self._watch is None:
            self._watch = Watch(self._inspect)
            shorten_switch_interval()
        thread.start()
        return one

    def forget(self, cell: Cell) -> None:
        super().forget(cell)
        with self.lock:
            if self._cells:
                return
            for one in self._all:
                one.leaving = True
                self._leaving.append(one.thread)
            for one in self._parked:
                one.wakeup.release()
            self._all, self._parked, self._leader = [], [], None
            watch, self._watch = self._watch, None
            if watch is not None:
                watch.stop()
                restore_switch_interval()
                self._leaving.append(watch.thread)

    def join(self, timeout: float) -> None:
        """Wait for the end of threads that have nothing to do any more. Neither in one of them nor on an event loop."""
        with self.lock:
            leaving, self._leaving = self._leaving, []
        deadline = time.monotonic() + timeout
        for thread in leaving:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, me: ComputeThread) -> None:
        me.measure_cpu()
        while (cell := self._wait_for_work(me)) is not None:
            me.thread.name = cell.name
            try:
                self._turn(me, cell)
            except BaseException:
                logger.exception("a computation of %s", cell.name)
        me.thread.name = me.name

    def _wait_for_work(self, me: ComputeThread) -> Cell | None:
        """The next cell for this thread, which parks until there is one; None: it ends."""
        while True:
            with self.lock:
                me.cost, me.cell = 0.0, None
                if me.leaving or self._is_surplus(me):
                    return None
                self._run_timers(self.clock())
                cell = self._pick(me)
                if cell is not None:
                    return cell
                self._parked.append(me)
                self._leave_timers_to_watch()
            me.thread.name = me.name
            me.wakeup.acquire()

    def _is_surplus(self, me: ComputeThread) -> bool:
        """It was stuck, or there are fewer threads now: another one is in its place."""
        me.stuck = False
        if len(self._all) <= self.threads or len(self._all) <= self._capacity:
            return False
        self._all.remove(me)
        self._leaving.append(me.thread)
        if self._leader is me:
            self._leader = None
        return True

    def _pick(self, me: ComputeThread) -> Cell | None:
        if self._leader is None or self._leader is me:
            cell = self._pop()
            self._leader = me if cell is not None else None
        else:
            cell = self._pop_heavy() or (self._pop() if self._has_room_for_light_work else None)
        return cell

    @property
    def _has_room_for_light_work(self) -> bool:
        """A thread beside the leader may handle light work: more than two would wait for the interpreter."""
        return sum(one.cost == 0 and not one.stuck for one in self.working) < _LIGHT

    # The watch

    def _leave_timers_to_watch(self) -> None:
        """This may be the last thread that works."""
        due = self._next_timer
        if self._watch is not None and due is not None and due < self._inspects_at:
            self._watch.hurry()

    def _inspect(self) -> float:
        """Let a thread lead where one is needed and none does; returns the seconds until the next inspection."""
        stuck = []
        with self.lock:
            now = self.clock()
            passed, self._inspected = min(_STEP, now - self._inspected), now
            self._run_timers(now)
            working = self.working
            for one in working:
                if now - one.since > _BUSY:
                    if self._leader is one:  # others need not wait for it
                        self._leader = None
                    if one.gets_stuck(passed) and one.cell is not None:
                        stuck.append((one.cell, one.seconds))
            if self._leader is None and any(self._queues):
                self.wake()
            due = self._next_timer
            self._inspects_at = min(now + (_BUSY if working else _IDLE), now + _IDLE if due is None else due)
            wait = max(0.0, self._inspects_at - now)
        for cell, seconds in stuck:
            cell.report_stuck(seconds)
        self.stalls.inspect([one for one in working if now - one.since > _BUSY], passed)
        return wait

    # Turns

    def _turn(self, me: ComputeThread, cell: Cell, *, light: bool = False) -> None:
        """Hand a cell some messages of a lane, up to the first heavy one where only `light` ones may be handled."""
        lane = ENTRY
        for left in range(self.messages_per_turn, 0, -1):
            with self.lock:
                following = cell.next_lane()
                if following is None or following > lane or (following == ENTRY != lane):
                    break
                cost = cell.costs[following]
                if light and cost >= HEAVY:
                    break
                lane = following if left == self.messages_per_turn else lane
                item = cell.mailbox.take(following)
                me.cell, me.since = cell, self.clock()
                if cost >= HEAVY:
                    self._begin_heavy(me, cost)
            if self._handle(me, cell, item, following):
                return
        with self.lock:
            self._release(cell)

    def _handle(self, me: ComputeThread, cell: Cell, item: object, lane: int) -> bool:
        """Handle one item; True: the cell was left to others meanwhile."""
        begun = me.since
        self._count += 1
        timed = lane != CONTROL and (me.cost > 0 or self._count % _SAMPLE == 0)
        cpu = time.thread_time() if timed else 0.0
        computation = cell.handle(item, lane, begun)
        if computation is not None:
            if me.cost >= WORTH_A_THREAD and self.threads > 1 and cell.state is CellState.RUNNING:
                self._compute_detached(me, cell, computation, lane, cpu)
                return True
            me.waits, me.computation = computation.waits, computation
            computation.run()
            me.computation = None
            cell.apply(computation)
            computation.send()
            me.waits = False
        seconds = self.clock() - begun
        if computation is not None:
            cell.observe_computation(seconds, computation.samples)
        cell.busy += seconds
        if timed:
            cell.observe_cost(lane, _cost(time.thread_time() - cpu, seconds))
        if me.cost > 0:
            self._end_heavy(me)
        return cell.state is CellState.CLOSED

    def _begin_heavy(self, me: ComputeThread, cost: float) -> None:
        """This thread is busy for a while: another one leads, if there is something for it."""
        me.cost = cost
        if self._leader is me:
            self._leader = None
        if self._leader is None and self._somebody_is_worth_a_thread(cost):
            self.wake()

    def _somebody_is_worth_a_thread(self, cost: float) -> bool:
        """There is a message for which another thread should be woken beside one of this cost."""
        for lane, queue in enumerate(self._queues):
            for cell in queue:
                if cell.state is CellState.QUEUED and _is_worth_a_thread(cost, cell.costs[lane]):
                    return True
        return False

    def _end_heavy(self, me: ComputeThread) -> None:
        with self.lock:
            self._lead_again(me)

    def _lead_again(self, me: ComputeThread) -> None:
        me.cost = 0.0
        if self._leader is None and not me.leaving:
            self._leader = me

    def _compute_detached(self, me: ComputeThread, cell: Cell, computation: Computation, lane: int, cpu: float) -> None:
        """Leave the cell to others and compute.

        The result is in the mailbox before what it sets off can come back. This thread hands it over itself where it
        can: until then the cell's next heavy message waits, and threads that look for one park.
        """
        me.waits, me.computation = computation.waits, computation
        with self.lock:
            cell.computing += 1
            self._release(cell)
            if self._leader is None and self._somebody_is_worth_a_thread(me.cost):
                self.wake()
        try:
            computation.run()
        finally:
            cpu = time.thread_time() - cpu
            with self.lock:
                me.waits, me.computation = False, None
                seconds = self.clock() - me.since
                cell.busy += seconds
                cell.observe_computation(seconds, computation.samples)
                cell.observe_cost(lane, _cost(cpu, seconds))
                cell.computing -= 1
                self._lead_again(me)
                cell.mailbox.put_result(computation)
                free = self._take(cell)
            if free:
                self._turn(me, cell)
        computation.send()

    # Readers

    def deliver(self, put: Callable[[], None]) -> None:
        """Call `put`, which gives cells mail, and give them their turns in the calling thread, if no other one leads.

        For a thread that reads messages: no other one needs to be woken, and light work waits for no heavy one, though
        that may take all cores. Heavy work is left to others.
        """
        me = self._enter()
        try:
            put()
            while me is not None and (cell := self._light_work(me)) is not None:
                self._turn(me, cell, light=True)
        finally:
            if me is not None:
                self._exit(me)

    def _enter(self) -> ComputeThread | None:
        with self.lock:
            if self._leader is not None:
                return None
            me = ComputeThread(threading.current_thread(), threading.current_thread().name)
            me.measure_cpu()
            self._readers.append(me)
            self._leader = me
            return me

    def _light_work(self, me: ComputeThread) -> Cell | None:
        with self.lock:
            me.cost, me.cell = 0.0, None
            self._run_timers(self.clock())
            cell = self._pick(me)
            if cell is None or cell.costs[cell.queued_in] < HEAVY:
                return cell
            self._release(cell)
            return None  # leaving wakes a thread

    def _exit(self, me: ComputeThread) -> None:
        with self.lock:
            self._readers.remove(me)
            if self._leader is me:
                self._leader = None
            self._leave_timers_to_watch()
            waiting = next((cell for queue in self._queues for cell in queue if cell.state is CellState.QUEUED), None)
            if waiting is not None:
                self._queued(waiting, waiting.queued_in)


def _is_worth_a_thread(cost: float, waiting: float) -> bool:
    """A thread should be woken for a message that waits beside one at work; both by their CPU seconds."""
    return cost >= _LONG or (waiting >= HEAVY and max(cost, waiting) >= WORTH_A_THREAD)


def _cost(cpu: float, seconds: float) -> float:
    """The CPU seconds of a message; more where it has hardly computed, for then it has waited for something else."""
    return max(cpu, _WAITED * seconds)


dispatcher = Dispatcher()
"""The process's dispatcher. How many threads it has is said by whoever knows the process's workers."""
