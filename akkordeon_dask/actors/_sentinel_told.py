"""What a sentinel's actor says to who attached it."""

from dataclasses import dataclass

from akkordeon_dask.actors._position import Position
from akkordeon_dask.actors._sentinel_core import SentinelState
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import Mode, PassReport

__all__ = ["Progress", "SentinelStatistics"]


@dataclass(frozen=True)
class Progress:
    """What became of a sentinel since it was last asked."""

    reports: tuple[PassReport, ...]
    state: SentinelState
    error: AkkordeonError | None
    position: Position | None
    """Where its next life goes on; None: with the first batch of its pass."""
    leaving: bool = False
    """Its worker is told to end: it should go elsewhere."""


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
