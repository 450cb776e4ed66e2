"""The order to go back to a consistent cut."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Rollback"]


@dataclass(frozen=True, slots=True)
class Rollback:
    """All gates and training sentinels of a network go back to a cut together."""

    name: str
    """Never used twice: a network may go back to one cut more than once."""
    cut: str
    positions: Mapping[str, Mapping[str, Any]]
    """By sentinel: what the cut's manifest says, as JSON values."""
