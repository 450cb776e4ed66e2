"""Snapshots of actors' states in files: written whole or not at all, and verified when they are read."""

from akkordeon_dask.snapshots._cuts import POSITIONS, Cut, complete_cuts, cut_name, load_part, part_store, save_manifest
from akkordeon_dask.snapshots._lease import (
    Lease,
    SupersededError,
    check_free,
    check_newest,
    newest_lease,
    release_lease,
    superseded_text,
    take_lease,
)
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._process import Process
from akkordeon_dask.snapshots._recorder import SnapshotRecorder
from akkordeon_dask.snapshots._runs import base_url, find_runs, last_generation, run_url
from akkordeon_dask.snapshots._store import Saved, Store
from akkordeon_dask.snapshots._tensors import BFLOAT16, Tensor, decode, digest, digest_title, header, layout, widened
from akkordeon_dask.snapshots._writer import Writer

__all__ = [
    "BFLOAT16",
    "POSITIONS",
    "Cut",
    "Lease",
    "Process",
    "Saved",
    "SnapshotPolicy",
    "SnapshotRecorder",
    "Store",
    "SupersededError",
    "Tensor",
    "Writer",
    "base_url",
    "check_free",
    "check_newest",
    "complete_cuts",
    "cut_name",
    "decode",
    "digest",
    "digest_title",
    "find_runs",
    "header",
    "last_generation",
    "layout",
    "load_part",
    "newest_lease",
    "part_store",
    "release_lease",
    "run_url",
    "save_manifest",
    "superseded_text",
    "take_lease",
    "widened",
]
