"""A gate that goes from one worker to another."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from akkordeon_dask.actors._gate_state import Version, at_home
from akkordeon_dask.actors._ledger import Held, Ledger

__all__ = ["Handover", "applied_in", "inherited"]


class Handover(NamedTuple):
    """What the next life of a gate goes on with."""

    version: Version
    applied: Mapping[str, tuple[int, tuple[int, ...]]]
    """By the sentinel's actor: below which sequence all batches are finished, and above it, with which the gate has
    been updated: it will not be again."""


def applied_in(ledgers: Mapping[str, Ledger]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """What the ledgers say of the batches that the gate was updated with."""
    return {
        actor: (ledger.floor, tuple(sequence for sequence, held in ledger.batches.items() if held.applied))
        for actor, ledger in ledgers.items()
    }


def inherited(handover: Handover, now: float) -> tuple[Version, defaultdict[str, Ledger]]:
    """What the next life has of it.

    Its ledgers know the batches that the gate was updated with, and nothing else: what was under way is sent again.
    """
    ledgers = {
        actor: Ledger(floor, {sequence: Held(0, None, None, 0.0, applied=True) for sequence in sequences}, now)
        for actor, (floor, sequences) in handover.applied.items()
    }
    return at_home(handover.version), defaultdict(Ledger, ledgers)
