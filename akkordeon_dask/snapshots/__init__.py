"""Snapshots of actors' states in files: written whole or not at all, and verified when they are read."""

from akkordeon_dask.snapshots._cuts import POSITIONS, Cut, complete_cuts, cut_name, load_part, part_store, save_manifest
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._recorder import SnapshotRecorder
from akkordeon_dask.snapshots._runs import base_url, find_runs, last_generation, run_url
from akkordeon_dask.snapshots._store import Saved, Store
from akkordeon_dask.snapshots._tensors import decode, digest, metadata
from akkordeon_dask.snapshots._writer import Writer

__all__ = [
    "POSITIONS",
    "Cut",
    "Saved",
    "SnapshotPolicy",
    "SnapshotRecorder",
    "Store",
    "Writer",
    "base_url",
    "complete_cuts",
    "cut_name",
    "decode",
    "digest",
    "find_runs",
    "last_generation",
    "load_part",
    "metadata",
    "part_store",
    "run_url",
    "save_manifest",
]
