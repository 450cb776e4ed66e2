"""What the actors report, for people: lines and tables."""

from akkordeon_dask.console import pass_line
from akkordeon_dask.monitor._passes import passes
from akkordeon_dask.monitor._status_table import status_table
from akkordeon_dask.monitor._top_table import top_table

__all__ = ["pass_line", "passes", "status_table", "top_table"]
