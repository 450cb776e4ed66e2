"""`dask akkordeon`, which is also `python -m akkordeon_dask`."""

from akkordeon_dask.cli._group import akkordeon

__all__ = ["akkordeon"]
