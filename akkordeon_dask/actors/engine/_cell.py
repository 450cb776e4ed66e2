"""The cell of an actor: its mailbox, its behavior, and what is known of its turns."""

import asyncio
import enum
import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from akkordeon_dask._exceptions import as_plain_error
from akkordeon_dask.actors.engine._behavior import HOLD, Behavior, Computation, Hold
from akkordeon_dask.actors.engine._mailbox import BACKWARD, LANES, RESULT, Mailbox
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import Metrics

__all__ = ["HEAVY", "WORTH_A_THREAD", "Cell", "CellState"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

HEAVY = 3e-4
"""Seconds of CPU from which on a message may be handled beside others: waking a thread takes 0.05 to 0.1 ms where both
want the interpreter."""
WORTH_A_THREAD = 5e-4
"""Seconds of CPU that one of two heavy messages takes at least, where two threads are faster than one: beside many
short calls of numpy they wait for the interpreter more than they win. Measured with batches of 128 to 1024."""
_METRICS = 0.25
"""Seconds between two updates of the metrics of an actor that works."""
_ATTEMPTS, _PAUSE = 30, 1e-3
"""A reader's attempts to read between two turns before it takes what was true before, and seconds between two. They are
counted for a busy process: there a pause takes long, and a cell that works is hardly ever met between two turns."""
_WEIGHT = 0.1


class CellState(enum.Enum):
    """Whether a cell has mail, and somebody at it."""

    IDLE = enum.auto()
    QUEUED = enum.auto()
    RUNNING = enum.auto()
    CLOSED = enum.auto()


class _Call:
    """A function for a turn of the actor, and the future of its result."""

    __slots__ = ("function", "future")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.future: Future[Any] = Future()

    def answer(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.function())
        except BaseException as error:
            self.future.set_exception(as_plain_error(error))

    def reject(self, error: BaseException) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)


class _Timer:
    """The time for the behavior's timer has come."""


class _Stop:
    """The end of the actor."""


_TIMER, _STOP = _Timer(), _Stop()
_FENCES = _Call, _Stop  # a union would be made at each use


class Turns(Protocol):
    """The scheduler of a cell."""

    clock: Callable[[], float]
    """Seconds."""

    def open(self, cell: "Cell", item: Any) -> None:
        """Give a new cell its turns from now on, beginning with this item."""

    def put(self, cell: "Cell", item: Any) -> None:
        """Add an item to the mailbox, and the cell to the queue."""

    def put_first(self, cell: "Cell", item: Any) -> None:
        """Add a control message in front of all others."""

    def hold(self, cell: "Cell", item: Any, lane: int) -> None:
        """Take a message again once all computations of the cell are applied."""

    def claim(self, cell: "Cell") -> bool:
        """Take a cell on which nobody works; False where somebody does."""

    def unclaim(self, cell: "Cell") -> None:
        """Give it back."""

    def arm(self, cell: "Cell", due: float) -> None:
        """Have the timer run at this time."""

    def close(self, cell: "Cell") -> None:
        """Take no more messages."""

    def forget(self, cell: "Cell") -> None:
        """The cell has ended."""

    def drain(self, cell: "Cell") -> list[object]:
        """What is left in the mailbox of a closed cell."""


class Cell:
    """A mailbox, a behavior, and the state of both among all cells of a scheduler.

    Threads: any thread may put, call, read and stop. The scheduler's lock guards the mailbox, the state and the counts;
    whoever has set the state to running, and nobody else, touches the behavior until it sets another one.

    Parameters
    ----------
    ended
        called last, in a thread of its own: it may wait. None: nothing is to be done.
    on_stuck
        called by another thread with what there is to say of a message that takes long and does not compute.
    observe
        called in a turn now and then, with this cell and the time; returns the actor's metrics. None: it has none.
    """

    def __init__(
        self,
        scheduler: Turns,
        name: str,
        behavior: Behavior,
        ended: Callable[[], None] | None = None,
        observe: "Callable[[Cell, float], Metrics] | None" = None,
        on_stuck: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.name = name
        self.behavior = behavior
        self.mailbox = Mailbox()
        self.state = CellState.IDLE
        self.queued_in = 0
        """The lane of its most urgent item, while it is queued."""
        self.stands_in = [False for _ in LANES]
        """By lane, whether it stands in the scheduler's queue; it counts in `queued_in` only."""
        self.computing = 0
        """Computations of its own that run beside it."""
        self.busy = 0.0
        """Seconds of work."""
        self.costs = [WORTH_A_THREAD if lane >= BACKWARD else 0.0 for lane in LANES]
        """By lane, a moving average of the CPU seconds of a message; before the first one just worth a thread."""
        self.longest: float | None = None
        """Seconds of its longest computation for each sample; None before the first result."""
        self.stuck = ""
        """What there is to say of a computation that takes far too long. The watch replaces it, any thread may read."""
        self.hangs = False
        """That computation makes no progress, as far as is known, nor waits for a device. As `stuck`."""
        self.due = 0.0
        self.error: BaseException | None = None
        """The error that broke the actor. Read it once it is not alive."""
        self.metrics: Metrics | None = None
        """The latest metrics: replaced in a turn, never changed, so any thread may read them."""
        self._scheduler = scheduler
        self._ended, self._observe, self._on_stuck = ended, observe, on_stuck
        self._stopped = Future[None]()
        self._ending = False
        self._last: threading.Thread | None = None
        """Runs `ended`."""
        self._frozen: dict[Callable[[Cell], Any], Any] = {}
        """What `read` returned last, by its function. Replaced entries, never changed ones."""
        self._held = False
        """A message waits for the computations that run beside the actor."""
        scheduler.open(self, _TIMER)

    # Any thread

    @property
    def alive(self) -> bool:
        """It handles messages."""
        return not self._stopped.done()

    def put(self, item: Any) -> None:
        """Add a message to the mailbox, or anything else as control. Never blocks."""
        self._scheduler.put(self, item)

    async def call(self, function: Callable[[], T], timeout: float) -> T:
        """Run `function` in a turn of the actor, before the batches that wait; at most `timeout` seconds.

        The computations that run beside the actor are applied first.

        Raises
        ------
        ClosedError
            when the actor is closed.
        """
        call = _Call(function)
        self.put(call)
        if not self.alive:
            raise self._closed()
        answer: T = await asyncio.wait_for(asyncio.wrap_future(call.future), timeout)
        return answer

    async def read(self, function: "Callable[[Cell], T]") -> T:
        """What `function` returns of this cell between two turns, or returned before the present one where that lasts.

        The function only looks at the actor: it is called by whoever has the cell at that time, and takes microseconds.

        Raises
        ------
        ClosedError
            when the actor is closed.
        """
        for attempt in itertools.count(1):
            if self._scheduler.claim(self):
                try:
                    self._frozen.setdefault(function)
                    self._observe_now(self._scheduler.clock())
                finally:
                    self._scheduler.unclaim(self)
                break
            if not self.alive:
                raise self._closed()
            if attempt >= _ATTEMPTS and function in self._frozen:
                break
            await asyncio.sleep(_PAUSE)
        value: T = self._frozen[function]
        return value

    def freeze(self, function: "Callable[[Cell], Any]") -> None:
        """Have the value of `function` ready for `read`, whatever the actor does. Before its first message."""
        self._frozen[function] = function(self)

    def stop(self) -> None:
        """End the actor after the message it works on. Any thread may call it, more than once."""
        if not self._ending:
            self._ending = True
            self._scheduler.put_first(self, _STOP)

    async def stopped(self, timeout: float) -> None:
        """Wait until the actor has ended, at most `timeout` seconds."""
        await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._stopped)), timeout)
        if self._last is not None:
            self._last.join(timeout)  # it has only late calls to reject: microseconds

    # In a turn

    def handle(self, item: Any, lane: int, now: float) -> Computation | None:
        """Handle one item of the mailbox; returns a computation to be run. What raises ends the actor."""
        behavior = self.behavior
        computation: Computation | Hold | None = None
        try:
            if lane == RESULT:
                behavior.apply(item)
            elif lane >= BACKWARD:
                computation = behavior.receive(item)
                if computation is HOLD:
                    computation = None
                    self._scheduler.hold(self, item, lane)
                if behavior.wants_timer:
                    self._run_timer(now)
            else:
                self._handle_control(item, now)
        except BaseException as error:
            self.broke(error)
        return computation  # type: ignore[return-value]  # HOLD was handled

    def _handle_control(self, item: Any, now: float) -> None:
        if isinstance(item, _Stop):
            self._stop()
            return
        if isinstance(item, _Call):
            item.answer()
        elif not isinstance(item, _Timer):
            self.behavior.receive(item)
            if not self.behavior.wants_timer:
                return
        self._run_timer(now)

    def apply(self, computation: Computation) -> None:
        """Take a result in the turn that computed it."""
        try:
            self.behavior.apply(computation)
        except BaseException as error:
            self.broke(error)

    def _run_timer(self, now: float) -> None:
        """Run the behavior's timer and update the metrics."""
        seconds = self.behavior.on_timer(now)
        if self._observe is not None:
            seconds = min(seconds, _METRICS)
        self._observe_now(now)
        self._scheduler.arm(self, now + seconds)

    def _observe_now(self, now: float) -> None:
        if self._observe is not None:
            self.metrics = self._observe(self, now)
        for function in self._frozen:
            self._frozen[function] = function(self)

    def broke(self, error: BaseException) -> None:
        """End by an error of the behavior's own."""
        self.error = error
        logger.error("%s ended by an error of its own", self.name, exc_info=error)
        self._stop()

    def _stop(self) -> None:
        try:
            self.behavior.stop()
        except BaseException as error:
            self.error = error
            logger.exception("%s ended by an error of its own", self.name)
        finally:
            self._ending = True
            self._scheduler.close(self)

    # For the scheduler

    def next_lane(self) -> int | None:
        """The lane of the next item that may be taken. Under the lock."""
        mailbox = self.mailbox
        if not self.computing:
            self._held = False
            return mailbox.lane()
        return mailbox.lane(fenced=self._held or type(mailbox.first_control()) in _FENCES)

    def hold(self, item: Any, lane: int) -> None:
        """Take a message again once all computations are applied. Under the lock."""
        self.mailbox.put_back(item, lane)
        self._held = True

    def wake(self) -> object:
        """The item by which the timer runs."""
        return _TIMER

    def observe_cost(self, lane: int, seconds: float) -> None:
        """Note the CPU seconds of a message. In the turn."""
        self.costs[lane] += _WEIGHT * (seconds - self.costs[lane])

    def report_stuck(self, seconds: float) -> None:
        """Say that a thread has been at a message of this actor for so long, and has hardly computed."""
        text = (
            f"{self.name} has spent {seconds:.1f} s with one message and hardly used the CPU: does it wait for a file "
            "or a lock? Another thread takes its place until it goes on"
        )
        logger.warning(text)
        self._on_stuck(text)

    def observe_computation(self, seconds: float, samples: int) -> None:
        """Note a computation. In the turn, or under the lock."""
        if samples:
            self.longest = max(self.longest or 0.0, seconds / samples)

    def report_stall(self, text: str) -> None:
        """Say that a computation takes far longer than those before it. The watch's thread."""
        logger.warning(text)
        self._on_stuck(text)

    def end(self) -> None:
        """Do what is to be done last, in a thread of its own where that may wait. The state is closed."""
        if self._ended is None:
            self._finish()
        else:
            self._last = threading.Thread(target=self._run_ended, name=f"{self.name} ends", daemon=True)
            try:
                self._last.start()
            except RuntimeError:  # no thread begins in an interpreter that ends
                self._last = None
                self._run_ended()

    def _run_ended(self) -> None:
        assert self._ended is not None
        try:
            self._ended()
        finally:
            self._finish()

    def _finish(self) -> None:
        self._scheduler.forget(self)
        self._stopped.set_result(None)
        # Last: whoever puts a call after this finds the actor not alive.
        self.reject_calls()

    def reject_calls(self) -> None:
        """Raise an error in calls that still wait for their answer."""
        for item in self._scheduler.drain(self):
            if isinstance(item, _Call):
                item.reject(self._closed())

    def _closed(self) -> ClosedError:
        why = "is closed" if self.error is None else f"broke, {self.error!r}"
        return ClosedError(f"{self.name} {why}: deploy or attach it again")
