"""A training sentinel that waits while a consistent cut is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HeldSentinel"]


@dataclass(frozen=True, slots=True)
class HeldSentinel:
    """A training sentinel with no batch in flight, which draws no other one until it is released."""

    name: str
    actor: str
    """The key of its actor."""
    lost: tuple[int, ...]
    """The sequences of batches that ended as lost in this incarnation of it: of very many, the last ones."""
    position: Mapping[str, Any]
    """The content of a snapshot of its position, as JSON values."""
