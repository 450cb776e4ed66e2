"""The page on the scheduler's dashboard, and the report: how telemetry is drawn."""

from akkordeon_dask.dashboard._install import announce, install, preload

__all__ = ["announce", "install", "preload"]
