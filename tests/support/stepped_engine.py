"""The engine without threads: a test gives the turns, and moves the clock."""

from akkordeon_dask.actors.engine._cell import CellState
from akkordeon_dask.actors.engine._mailbox import RESULT
from akkordeon_dask.actors.engine._scheduler import Scheduler


class SteppedEngine(Scheduler):
    """Cells with their real mailboxes, lanes, fences and timers; a turn is one message."""

    def __init__(self):
        self.now = 0.0
        super().__init__(lambda: self.now)

    def step(self, cell=None, *, detached=None):
        """Handle the most urgent message, of one cell or of all.

        Parameters
        ----------
        detached
            called with the cell and a computation that leaves it; None: it is computed in the turn.

        Returns the item that was handled; None where there is none.
        """
        with self.lock:
            cell = self._pop() if cell is None else self._claimed(cell)
            lane = cell.next_lane() if cell is not None else None
            if lane is None:
                return None
            item = cell.mailbox.take(lane)
        computation = cell.handle(item, lane, self.now)
        if computation is None:
            pass
        elif detached is not None:
            cell.computing += 1
            detached(cell, computation)
        else:
            computation.run()
            cell.apply(computation)
            computation.send()
        with self.lock:
            self._release(cell)
        return item

    def _claimed(self, cell):
        if cell.state is not CellState.QUEUED:
            return None
        cell.state = CellState.RUNNING
        return cell

    def deliver_result(self, cell, computation):
        """A computation that had left its cell is done: it has to be sent after this."""
        with self.lock:
            cell.computing -= 1
            cell.mailbox.put_result(computation)
            self._mail(cell, RESULT)

    def advance(self, seconds):
        """Let time pass, and timers run."""
        self.now += seconds
        with self.lock:
            self._run_timers(self.now)
