"""A sentinel at work, as a view shows it."""

from dataclasses import dataclass

from akkordeon_dask.messages import PassProgress, PassReport

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """A sentinel that is waited for."""

    name: str
    epoch: int
    """The pass that it is in."""
    epochs: int | None
    """Passes after which it rests; None: without end."""
    progress: PassProgress | None = None
    """How far this pass is; None before the first report of it."""
    newest: PassReport | None = None
    """Its last finished pass."""
    paused: bool = False
