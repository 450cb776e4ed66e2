"""A gate that goes from one worker to another."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from akkordeon_dask.actors.gate._in_flight import InFlight, StashedBatch
from akkordeon_dask.actors.gate._state import Version, aligned_version

__all__ = ["Handover", "applied_sequences", "restore_from"]


class Handover(NamedTuple):
    """What the next life of a gate goes on with."""

    version: Version
    applied: Mapping[str, tuple[int, tuple[int, ...]]]
    """By the sentinel's actor: below which sequence all batches are finished, and above it, with which the gate has
    been updated: it will not be again."""


def applied_sequences(ledgers: Mapping[str, InFlight]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """What the ledgers say of the batches that the gate was updated with."""
    return {
        actor: (ledger.floor, tuple(sequence for sequence, held in ledger.batches.items() if held.applied))
        for actor, ledger in ledgers.items()
    }


def restore_from(handover: Handover, now: float) -> tuple[Version, defaultdict[str, InFlight]]:
    """What the next life has of it.

    Its ledgers know the batches that the gate was updated with, and nothing else: what was under way is sent again.
    """
    ledgers = {
        actor: InFlight(
            floor, {sequence: StashedBatch(0, None, None, 0.0, applied=True) for sequence in sequences}, now
        )
        for actor, (floor, sequences) in handover.applied.items()
    }
    return aligned_version(handover.version), defaultdict(InFlight, ledgers)
