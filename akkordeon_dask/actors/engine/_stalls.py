"""Computations that take far longer than those before them, as the watch sees them."""

import logging
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass

from akkordeon_dask.actors.engine._behavior import Computation
from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.engine._compute_thread import ComputeThread

__all__ = ["Stalls"]

logger = logging.getLogger(__name__)

_LEAST, _TIMES, _UNKNOWN = 60.0, 20.0, 600.0
"""Seconds; times the longest computation of the cell, by its samples; seconds before its first result."""
_FRAMES = 6


@dataclass(slots=True)
class _Watched:
    """A computation at work."""

    computation: Computation
    cell: Cell
    cpu: float
    """Seconds of the thread's CPU clock when it was seen first."""
    seconds: float = 0.0
    reported: bool = False


class Stalls:
    """Marks the cells whose computation takes too long, and says so once. In the watch's thread.

    The time of a computation is counted in looks. So it stands still while the process does.
    """

    def __init__(self) -> None:
        self.limit: float | None = None
        """Seconds that a computation may take; None: it follows from those before it."""
        self._watched: dict[ComputeThread, _Watched] = {}

    def inspect(self, threads: Iterable[ComputeThread], passed: float) -> None:
        """Look at the threads that work. Without the dispatcher's lock: a message may end meanwhile.

        `passed`: the seconds since the last look that count.
        """
        before, self._watched = self._watched, {}
        for one in threads:
            cell, computation = one.cell, one.computation
            if cell is None or computation is None:
                continue
            seen = before.get(one)
            if seen is None or seen.computation is not computation:
                self._watched[one] = _Watched(computation, cell, one.cpu())
                continue
            before.pop(one, None)
            seen.seconds += passed
            self._watched[one] = seen
            if seen.seconds > self._limit(seen):
                _report(one, seen)
        for seen in before.values():
            if seen.reported:
                seen.cell.stuck, seen.cell.hangs = "", False
                logger.warning("%s goes on after %.0f s with one batch", seen.cell.name, seen.seconds)

    def _limit(self, seen: _Watched) -> float:
        longest = seen.cell.longest
        if self.limit is not None:
            return self.limit
        return _UNKNOWN if longest is None else max(_LEAST, _TIMES * longest * seen.computation.samples)


def _report(one: ComputeThread, seen: _Watched) -> None:
    longest, samples = seen.cell.longest, seen.computation.samples
    progress, hangs = _progress(one, seen)
    usual = "has had no result before" if longest is None else f"took {longest * samples:.2g} s at most before"
    text = (
        f"{seen.cell.name} has computed for {seen.seconds:.0f} s with {seen.computation.title}, {samples} samples, for "
        f"which it {usual}: {progress}. It is at {_stack(one)}. If it does not go on, end its worker: the "
        "gate is restarted elsewhere where there are snapshots"
    )
    seen.cell.stuck, seen.cell.hangs = text, hangs
    if not seen.reported:
        seen.reported = True
        seen.cell.report_stall(text)


def _progress(one: ComputeThread, seen: _Watched) -> tuple[str, bool]:
    """What its thread does, and whether it is known to hang."""
    if seen.computation.waits:
        return "it waits for a device", False
    used = one.cpu() - seen.cpu
    if used > 0.01 * seen.seconds:
        return f"its thread has used {used:.0f} s of CPU", False
    return "its thread uses no CPU", one.measures_cpu


def _stack(one: ComputeThread) -> str:
    """The innermost calls of the thread, the last one first."""
    frame = sys._current_frames().get(one.thread.ident or 0)
    calls = traceback.extract_stack(frame)[-_FRAMES:] if frame is not None else []
    return " < ".join(f"{call.name} ({call.filename}:{call.lineno})" for call in reversed(calls)) or "an unknown place"
