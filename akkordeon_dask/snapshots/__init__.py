"""Snapshots of actors' states in files: written whole or not at all, and verified when they are read."""

from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._recorder import SnapshotRecorder
from akkordeon_dask.snapshots._store import Saved, Store
from akkordeon_dask.snapshots._tensors import decode, digest, metadata
from akkordeon_dask.snapshots._writer import Writer

__all__ = ["Saved", "SnapshotPolicy", "SnapshotRecorder", "Store", "Writer", "decode", "digest", "metadata"]
