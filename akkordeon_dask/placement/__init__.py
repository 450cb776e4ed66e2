"""Which gate goes to which worker: specs and facts about workers in, a plan out. Pure, it knows no cluster."""

from akkordeon_dask.placement._choose import choose
from akkordeon_dask.placement._groups import colocation_groups
from akkordeon_dask.placement._plan import PlacedGate, Plan
from akkordeon_dask.placement._workers import GUEST, WorkerInfo, find_workers

__all__ = ["GUEST", "PlacedGate", "Plan", "WorkerInfo", "choose", "colocation_groups", "find_workers"]
