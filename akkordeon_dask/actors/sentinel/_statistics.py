"""What a sentinel's actor says to who attached it."""

from dataclasses import dataclass

from akkordeon_dask.actors.sentinel._behavior import SentinelState
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import Mode, PassProgress, PassReport

__all__ = ["SentinelStatistics", "SentinelUpdate", "UnacknowledgedReports"]


@dataclass(frozen=True)
class SentinelUpdate:
    """What became of a sentinel since it was last asked."""

    reports: tuple[PassReport, ...]
    state: SentinelState
    error: AkkordeonError | None
    position: Position | None
    """Where its next life goes on; None: with the first batch of its pass."""
    until: int | None
    """Passes after which it rests because somebody waits for so many."""
    leaving: bool = False
    """Its worker is told to end: it should go elsewhere."""
    running: PassProgress | None = None
    """The pass that is not finished, at most a quarter of a second old."""


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
    """Messages that belonged to no batch under way."""
    restarts: int
    """Passes that began anew because a gate had lost its pin."""
    busy: float
    """Seconds of work."""


class UnacknowledgedReports:
    """A sentinel's passes: kept until who attached it has them.

    Threads: the sentinel's adds; the event loop looks and forgets.
    """

    def __init__(self) -> None:
        self._kept: list[PassReport] = []
        self._forgotten = 0
        self.last: PassReport | None = None

    def __len__(self) -> int:
        """All that there ever were."""
        return self._forgotten + len(self._kept)

    def add(self, report: PassReport) -> None:
        """One more pass."""
        self._kept.append(report)
        self.last = report

    def since(self, cursor: int) -> tuple[PassReport, ...]:
        """Those after the first `cursor`, which are known and may be forgotten."""
        known = max(0, cursor - self._forgotten)
        self._forgotten += len(self._kept[:known])
        del self._kept[:known]
        return tuple(self._kept)
