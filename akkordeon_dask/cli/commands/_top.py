"""`dask akkordeon top`."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from distributed import Client
from rich.console import Console
from rich.live import Live

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._output import WIDE
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli._wait import NotYetError
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.cli.options._param_types import duration
from akkordeon_dask.console import top_table
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime import live
from akkordeon_dask.telemetry import LiveStatus

__all__ = ["top"]


@click.command(short_help="Watch a network at work.")
@click.argument("name")
@cluster_options(wait=True)
@click.option(
    "--interval", callback=duration, default="1s", metavar="TIME", help="From one look to the next: 2s, 500ms."
)
@click.option("--once", is_flag=True, help="Look once.")
@report_errors
def top(*, name: str, where: ClusterAddress, interval: float, once: bool) -> None:
    """Show what the gates and sentinels of the network NAME do, until it ends or Ctrl-C.

    It shows what the workers tell the scheduler anyway: it asks no gate and no sentinel, and slows none down. The
    gate in bold is the busiest: the whole network is as fast as this one. A delay is the mean over the gate's life.
    Loss and scores are those of the pass that a sentinel is in, until now. Into a pipe or file it writes the table anew
    with each look.

    \b
    Examples:
      dask akkordeon top digits --scheduler tcp://127.0.0.1:8786
      dask akkordeon top digits --interval 5s
      dask akkordeon top digits --once
          the table as plain text
    """
    with interruptible(), client_at(where) as client, _screen() as show:
        try:
            where.patience.until(lambda: _look(client, name))
            ended = _watch(client, name, show, interval, once)
        except KeyboardInterrupt:
            return
    if ended:
        click.echo(f"network {name!r} has ended")


def _look(client: Client, name: str) -> None:
    """A network that is not deployed yet is waited for."""
    try:
        live(client, name)
    except DeploymentError as error:
        raise NotYetError(str(error)) from None


def _watch(client: Client, name: str, show: Callable[[LiveStatus], None], interval: float, once: bool) -> bool:
    """Show it again and again; gives whether it has ended."""
    while True:
        now: LiveStatus = live(client, name)
        show(now)
        if now.ended is not None or once:
            return now.ended is not None
        time.sleep(interval)


@contextmanager
def _screen() -> Iterator[Callable[[LiveStatus], None]]:
    """Give the function that shows: on a terminal always at the same place, elsewhere one below the other."""
    if not sys.stdout.isatty():
        # Into a pipe or file rich would fold at 80 columns.
        console = Console(width=WIDE)
        yield lambda now: console.print(top_table(now))
        return
    with Live(auto_refresh=False) as live:
        yield lambda now: live.update(top_table(now), refresh=True)
