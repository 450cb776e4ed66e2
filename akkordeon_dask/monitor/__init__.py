"""What the actors report, for people: lines, a live table."""

from akkordeon_dask.monitor._lines import pass_line
from akkordeon_dask.monitor._passes import passes
from akkordeon_dask.monitor._status_table import status_table
from akkordeon_dask.monitor._table import PassTable
from akkordeon_dask.monitor._top_table import top_table
from akkordeon_dask.monitor._watch import shown, watch

__all__ = ["PassTable", "pass_line", "passes", "shown", "status_table", "top_table", "watch"]
