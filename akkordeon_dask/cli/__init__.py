"""`dask akkordeon`, which is also `python -m akkordeon_dask`."""

from akkordeon_dask.cli._main import akkordeon

__all__ = ["akkordeon"]
