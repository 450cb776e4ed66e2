"""Text for people: a line a finished pass, a bar a sentinel at work, tables. It takes reports, rows and live status."""

from akkordeon_dask.console._pass_line import pass_line
from akkordeon_dask.console._pass_table import pass_table
from akkordeon_dask.console._row import Row
from akkordeon_dask.console._status_table import status_table
from akkordeon_dask.console._top_table import top_table
from akkordeon_dask.console._view import View, is_terminal, make_view

__all__ = ["Row", "View", "is_terminal", "make_view", "pass_line", "pass_table", "status_table", "top_table"]
