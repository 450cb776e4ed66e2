"""Snapshots of actors' states in files: written whole or not at all, and checked before they are believed."""

from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.snapshots._store import Saved, Store
from akkordeon_dask.snapshots._tensors import decode
from akkordeon_dask.snapshots._writer import Result, Writer, WriterStatistics

__all__ = ["Result", "Saved", "SnapshotPolicy", "Store", "Writer", "WriterStatistics", "decode"]
