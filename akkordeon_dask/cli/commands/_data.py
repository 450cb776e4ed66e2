"""`dask akkordeon data`."""

import click

from akkordeon_dask import data as providers
from akkordeon_dask.cli._errors import report_errors

__all__ = ["data"]

_NAMES = ("mnist", "fashion-mnist")


@click.command(short_help="Fetch MNIST and Fashion-MNIST.")
@click.argument("names", nargs=-1, type=click.Choice(_NAMES))
@report_errors
def data(names: tuple[str, ...]) -> None:
    """Fetch data sets into your cache, so that training needs no internet; without NAMES all of them.

    Files that are there already are kept, also your own ones in the folder of AKKORDEON_DATA. Each that is fetched is
    checked by its hash.

    \b
    Examples:
      dask akkordeon data
      dask akkordeon data mnist
    """
    for name in names or _NAMES:
        click.echo(f"{name}: {providers.download(name)}")
