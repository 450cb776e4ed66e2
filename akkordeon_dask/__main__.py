"""`python -m akkordeon_dask` is `dask akkordeon`."""

from akkordeon_dask.cli import akkordeon

if __name__ == "__main__":
    akkordeon(prog_name="python -m akkordeon_dask")
