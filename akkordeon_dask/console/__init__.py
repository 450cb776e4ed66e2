"""A run as text for people: a line a finished pass, a bar a sentinel at work. It takes reports and rows alone."""

from akkordeon_dask.console._pass_line import pass_line
from akkordeon_dask.console._row import Row
from akkordeon_dask.console._view import View, make_view

__all__ = ["Row", "View", "make_view", "pass_line"]
