"""What a report says beside the scheduler's record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from akkordeon_dask.messages import PassReport

__all__ = ["RunFacts"]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a client knows of its network, beside the scheduler's record."""

    network: str
    """As it was written, a line a gate."""
    gates: tuple[tuple[str, str, int], ...]
    """Name, address of its worker, and the numbers that training adjusts, of each."""
    sentinels: Mapping[str, str] = field(default_factory=dict)
    """As they were written, by name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    passes: tuple[PassReport, ...] = ()
    """Those of all sentinels, as the client knows them."""
    note: str = ""
    """What the reader has to know besides."""
