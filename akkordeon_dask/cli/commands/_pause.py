"""`dask akkordeon pause` and `resume`: training stops and continues, whoever attached the sentinels."""

import click

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.runtime import pause as pause_all
from akkordeon_dask.runtime import resume as resume_all

__all__ = ["pause", "resume"]


@click.command(short_help="Pause the training of a network.")
@click.argument("name")
@cluster_options()
@report_errors
def pause(*, name: str, where: ClusterAddress) -> None:
    """Pause all training sentinels of the network NAME, whoever attached them, once their batches in flight complete.

    Their programs go on, and so do validation and prediction. No owner is needed. A sentinel that joins later trains.

    \b
    Examples:
      dask akkordeon pause digits --scheduler tcp://127.0.0.1:8786
      dask akkordeon resume digits
    """
    with interruptible(), client_at(where) as client:
        _report(name, "paused", "running", pause_all(name, client))


@click.command(short_help="Resume the training of a paused network.")
@click.argument("name")
@cluster_options()
@report_errors
def resume(*, name: str, where: ClusterAddress) -> None:
    """Resume the sentinels of the network NAME that `pause` has paused. No owner is needed.

    To resume from snapshots after everything was stopped: `dask akkordeon network TARGET --name NAME --resume URL`.

    \b
    Examples:
      dask akkordeon resume digits --scheduler tcp://127.0.0.1:8786
    """
    with interruptible(), client_at(where) as client:
        _report(name, "resumed", "paused", resume_all(name, client))


def _report(name: str, event: str, state: str, sentinels: tuple[str, ...]) -> None:
    if sentinels:
        click.echo(f"{event}: {', '.join(sentinels)}")
    else:
        click.echo(f"network {name!r} has no training sentinel that is {state}: nothing to do")
