"""The page on the scheduler's dashboard, and the report: telemetry drawn with bokeh."""

from akkordeon_dask.dashboard._install import announce, install, preload

__all__ = ["announce", "install", "preload"]
