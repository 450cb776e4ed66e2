"""The client's part of a report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from akkordeon_dask.messages import PassReport

__all__ = ["RunFacts"]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts about a network that its client adds to the telemetry."""

    network: str
    """As it was written, a line a gate."""
    gates: tuple[tuple[str, str, int], ...]
    """Name, address of its worker, and the numbers that training adjusts, of each."""
    sentinels: Mapping[str, str] = field(default_factory=dict)
    """As they were written, by name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    passes: tuple[PassReport, ...] = ()
    """Of all sentinels, as the client knows them."""
    note: str = ""
    """A note for the reader."""
