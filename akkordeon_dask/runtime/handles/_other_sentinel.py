"""A sentinel that another client attached, as the scheduler knows it."""

from dataclasses import dataclass

from akkordeon_dask.messages import Mode

__all__ = ["OtherSentinel"]


@dataclass(frozen=True)
class OtherSentinel:
    """A sentinel that another client attached."""

    name: str
    mode: Mode
    client: str
    base: str
    """The prefix of its actors' keys."""
    state: str
    """The actor's; `starting` before its first report, `lost` with its worker."""
    epochs: int | None
    """Training passes after which it rests."""
    epoch: int = 0
    """Passes that it began."""
    error: str = ""
    """Why it failed."""

    def __repr__(self) -> str:
        return f"<sentinel {self.name!r} of client {self.client}: {self.state}>"

    @property
    def works(self) -> bool:
        """It will make progress."""
        return self.state in ("starting", "running", "paused")

    @property
    def ends(self) -> bool:
        """It rests by itself some time."""
        return self.mode == "test" or (self.mode == "train" and self.epochs is not None)
