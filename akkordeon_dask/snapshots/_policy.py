"""Where, how often and how many snapshots are kept."""

from dataclasses import dataclass

from akkordeon_dask.snapshots._store import Store

__all__ = ["SnapshotPolicy"]


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """Where and how often the gates of a network are written down."""

    url: str
    updates: int | None = None
    """After so many updates; None: by the clock."""
    seconds: float = 30.0
    """After so many seconds, where something has changed."""
    keep: int = 3
    """Snapshots of each gate that stay."""

    def store(self, below: str = "") -> Store:
        """The place, or one below it.

        Raises
        ------
        CheckpointError
            when there is no such place.
        """
        return Store(f"{self.url.rstrip('/')}/{below}" if below else self.url, keep=self.keep)

    def due(self, steps: int, seconds: float) -> bool:
        """A snapshot is due so many updates and seconds after the one before."""
        return steps >= self.updates if self.updates is not None else seconds >= self.seconds
