"""`dask akkordeon status`."""

from dataclasses import asdict
from typing import Any

import click
from rich.console import Console

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._output import WIDE, as_json
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.console import is_terminal, status_table
from akkordeon_dask.runtime import status as ask
from akkordeon_dask.telemetry import NetworkStatus

__all__ = ["status"]


@click.command(short_help="List networks, gates and sentinels.")
@click.argument("name", required=False)
@cluster_options()
@click.option("--json", is_flag=True, help="One JSON object instead.")
@report_errors
def status(*, name: str | None, where: ClusterAddress, json: bool) -> None:
    """Show the networks of the cluster, or only NAME: the gates, and the sentinels of all programs.

    A network whose owner's program is gone has 'no owner': it goes on, and `dask akkordeon stop` ends it. The figures
    of a gate are those of its worker's last heartbeats, '-' before the first one; loss and samples/s of a sentinel are
    those of its last pass.

    \b
    Examples:
      dask akkordeon status --scheduler tcp://127.0.0.1:8786
      dask akkordeon status digits
      dask akkordeon status --json | jq '.networks[].name'
    """
    with client_at(where) as client:
        networks = ask(client, name)
    if json:
        click.echo(as_json({"networks": [_plain(network) for network in networks]}))
        return
    # Into a pipe or file rich would fold at 80 columns.
    console = Console() if is_terminal() else Console(width=WIDE)
    console.print(status_table(networks))


def _plain(network: NetworkStatus) -> dict[str, Any]:
    sentinels = [
        {**asdict(sentinel), "report": sentinel.report.as_dict() if sentinel.report is not None else None}
        for sentinel in network.sentinels
    ]
    return {**asdict(network), "sentinels": sentinels}
