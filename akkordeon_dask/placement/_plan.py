"""Where the gates of a network go, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PlacedGate", "Plan"]

_HEADER = ("gate", "worker", "address", "cost", "reason")
_COST = 3


@dataclass(frozen=True, slots=True)
class PlacedGate:
    """A gate with its worker."""

    gate: str
    worker: str
    """The worker's name."""
    address: str
    """The worker's address."""
    reason: str
    """Why there."""
    share: float
    """Of what a training sample costs the whole network: from 0 to 1."""


@dataclass(frozen=True, repr=False)
class Plan:
    """What `plan` gives: a `PlacedGate` for each gate, front to back. Prints as a table."""

    gates: tuple[PlacedGate, ...]

    def __iter__(self) -> Iterator[PlacedGate]:
        return iter(self.gates)

    def __len__(self) -> int:
        return len(self.gates)

    def __getitem__(self, name: str) -> PlacedGate:
        """The gate of this name; KeyError when there is none."""
        return {placed.gate: placed for placed in self.gates}[name]

    def __repr__(self) -> str:
        rows = [_HEADER, *((p.gate, p.worker, p.address, f"{100 * p.share:.0f} %", p.reason) for p in self.gates)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(_cells(row, widths)).rstrip() for row in rows)


def _cells(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if place == _COST else cell.ljust(width)
