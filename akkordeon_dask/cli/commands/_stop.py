"""`dask akkordeon stop`."""

import click

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.runtime import networks
from akkordeon_dask.runtime import stop as end

__all__ = ["stop"]


@click.command(short_help="End a network, whoever owns it.")
@click.argument("name")
@cluster_options()
@report_errors
def stop(*, name: str, where: ClusterAddress) -> None:
    """End the network NAME: its sentinels, its gates, its name.

    It does not matter who owns it, or whether the owner lives. Programs that own it or that attached a sentinel end
    with a line that says so. Where it is not there (any more), that is said, and is no error.

    \b
    Examples:
      dask akkordeon stop digits --scheduler tcp://127.0.0.1:8786
      dask akkordeon status
          what there is
    """
    with client_at(where) as client:
        if end(name, client):
            click.echo(f"network {name!r} has ended")
        else:
            there = ", ".join(networks(client)) or "none"
            click.echo(f"no network named {name!r} on this cluster, there is {there}: nothing to stop")
