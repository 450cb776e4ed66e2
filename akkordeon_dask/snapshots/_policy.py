"""The policy of snapshots: their URL, their interval and their number."""

from dataclasses import dataclass

from akkordeon_dask.snapshots._store import Store

__all__ = ["SnapshotPolicy"]


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """The URL, interval and number of the snapshots of a network's gates."""

    url: str
    updates: int | None = None
    """Updates between two snapshots; None: by the clock."""
    seconds: float = 30.0
    """Seconds between two snapshots, where something has changed."""
    keep: int = 3
    """Snapshots to keep of each gate."""
    cut: str | None = None
    """The name of the cut to read; None: the newest snapshots."""
    leased: bool = False
    """Writers look for a lease of a later run first, and write no more where there is one."""

    def store(self, below: str = "") -> Store:
        """The store, or one in a folder below it.

        Raises
        ------
        CheckpointError
            when the URL cannot be used.
        """
        return Store(f"{self.url.rstrip('/')}/{below}" if below else self.url, keep=self.keep)

    def due(self, steps: int, seconds: float) -> bool:
        """A snapshot is due this many updates and seconds after the last one."""
        return steps >= self.updates if self.updates is not None else seconds >= self.seconds
