"""The answers of a sentinel's actor: updates for its client, and statistics."""

import contextlib
from dataclasses import dataclass

from akkordeon_dask.actors.sentinel._behavior import SentinelState
from akkordeon_dask.actors.sentinel._open_pass import OpenPass
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import Mode, PassProgress, PassReport

__all__ = ["SentinelStatistics", "SentinelUpdate", "UnacknowledgedReports"]


@dataclass(frozen=True)
class SentinelUpdate:
    """The news of a sentinel since the last update: the answer of its long poll."""

    reports: tuple[PassReport, ...]
    state: SentinelState
    error: AkkordeonError | None
    position: Position | None
    """Where its next incarnation resumes; None: with the first batch of its pass."""
    until: int | None
    """Passes after which it rests because somebody waits for them."""
    first: Position
    """Where its first incarnation has started."""
    leaving: bool = False
    """Its worker drains: the client should move it."""
    running: PassProgress | None = None
    """The progress of the open pass, at most a quarter of a second old."""
    ended: OpenPass | None = None
    """Of a member of a group: its last finished pass, with the states of its scores."""


@dataclass(frozen=True)
class SentinelStatistics:
    """A sentinel at one moment."""

    sentinel: str
    network: str
    worker: str
    mode: Mode
    state: SentinelState
    last: PassReport | None
    """The last finished pass."""
    credits: int
    in_flight: int
    dropped: int
    """Messages that belonged to no batch in flight."""
    restarts: int
    """Passes that were restarted because a gate had lost its pin."""
    busy: float
    """Seconds of work."""


class UnacknowledgedReports:
    """A sentinel's pass reports, kept until its client has acknowledged them.

    Threads: the sentinel's adds; the event loop reads and drops.
    """

    def __init__(self) -> None:
        self._pending: list[PassReport] = []
        self._acknowledged = 0
        self.last: PassReport | None = None

    def __len__(self) -> int:
        """The number of reports so far."""
        return self._acknowledged + len(self._pending)

    def add(self, report: PassReport) -> None:
        """Add one more report; of those that wait, the newest alone has images."""
        with contextlib.suppress(IndexError):  # the event loop has dropped them all
            self._pending[-1] = self._pending[-1].without_images()
        self._pending.append(report)
        self.last = report

    def since(self, cursor: int) -> tuple[PassReport, ...]:
        """The reports after the first `cursor`, which are acknowledged by this."""
        known = max(0, cursor - self._acknowledged)
        self._acknowledged += len(self._pending[:known])
        del self._pending[:known]
        return tuple(self._pending)
