"""`dask akkordeon snapshot`, `save` and `report`: the present state of a network in files."""

import click

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.cli.options._param_types import new_file
from akkordeon_dask.runtime import connect
from akkordeon_dask.runtime import report as write_report

__all__ = ["report", "save", "snapshot"]


@click.command(short_help="Write a snapshot of every gate now.")
@click.argument("name")
@cluster_options()
@report_errors
def snapshot(*, name: str, where: ClusterAddress) -> None:
    """Write a snapshot of every gate of the network NAME now, of one moment, into its folder of snapshots.

    `network --resume` goes on there; `--snapshots` of `network` names the folder. Without an owner each gate writes its
    own, to go back to when it is lost, and `--resume` takes the last snapshot of all gates that there is.

    \b
    Examples:
      dask akkordeon snapshot digits --scheduler tcp://127.0.0.1:8786
    """
    with interruptible(), client_at(where) as client, connect(name, client) as running:
        numbers = running.snapshot()
    for gate, updates in numbers.items():
        click.echo(f"gate {gate!r}: {updates:,} updates")


@click.command(short_help="Write the parameters of a network into a file.")
@click.argument("name")
@click.argument("target", metavar="FILE", callback=new_file)
@cluster_options()
@report_errors
def save(*, name: str, target: str, where: ClusterAddress) -> None:
    """Write the parameters of the network NAME into FILE, a safetensors file, while it trains.

    FILE is a path on this machine, or an fsspec URL. No owner is needed.

    \b
    Examples:
      dask akkordeon save digits digits.safetensors \\
          --scheduler tcp://127.0.0.1:8786
      dask akkordeon save digits s3://models/digits.safetensors
    """  # fmt: skip
    with interruptible(), client_at(where) as client, connect(name, client) as running:
        running.save(target)
    click.echo(f"saved: {target}")


@click.command(short_help="Write the curves of a network into an HTML file.")
@click.argument("name")
@click.argument("target", metavar="FILE", callback=new_file)
@cluster_options()
@report_errors
def report(*, name: str, target: str, where: ClusterAddress) -> None:
    """Write the run of the network NAME so far into FILE, a self-contained HTML file.

    FILE is a path on this machine, or an fsspec URL. Passes, curves and settings come from the scheduler: no owner
    is needed, and the network may have ended.

    \b
    Examples:
      dask akkordeon report digits run.html --scheduler tcp://127.0.0.1:8786
      dask akkordeon report digits s3://reports/digits.html
    """
    with interruptible(), client_at(where) as client:
        click.echo(f"writing the report {target}, which takes some seconds", err=True)
        write_report(name, client, target)
    click.echo(f"report: {target}")
