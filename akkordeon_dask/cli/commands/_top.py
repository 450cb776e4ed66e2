"""`dask akkordeon top`."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from akkordeon_dask.console import is_terminal, top_table
from akkordeon_dask.errors import DeploymentError
from akkordeon_dask.runtime import live
from akkordeon_dask.telemetry import LiveStatus

__all__ = ["top"]


@click.command(short_help="Watch a network at work.")
@click.argument("name")
@cluster_options(wait=True)
@click.option("--interval", callback=duration, default="1s", metavar="TIME", help="Time between two tables: 2s, 500ms.")
@click.option("--once", is_flag=True, help="Show one table and end.")
@report_errors
def top(*, name: str, where: ClusterAddress, interval: float, once: bool) -> None:
    """Show the gates and sentinels of the network NAME at work, until it ends or Ctrl-C.

    The figures come with the workers' heartbeats: no gate and no sentinel is asked, or slowed down. The gate in bold
    is the busiest: the whole network is as fast as this one. A delay is the mean over all gradients of the gate. Loss
    and scores are those of the pass that a sentinel is in, until now. Into a pipe or file each table is written below
    the one before.

    \b
    Examples:
      dask akkordeon top digits --scheduler tcp://127.0.0.1:8786
      dask akkordeon top digits --interval 5s
      dask akkordeon top digits --once
          the table as plain text
    """
    with interruptible(), client_at(where) as client, _screen() as show:
        try:
            where.patience.until(lambda: _require(client, name))
            ended = _watch(client, name, show, interval, once)
        except KeyboardInterrupt:
            return
    if ended:
        click.echo(f"network {name!r} has ended")


def _require(client: Client, name: str) -> None:
    """Raise NotYetError for a network that is not deployed yet, which is waited for."""
    try:
        live(client, name)
    except DeploymentError as error:
        raise NotYetError(str(error)) from None


def _watch(client: Client, name: str, show: Callable[[LiveStatus], None], interval: float, once: bool) -> bool:
    """Show it again and again; returns whether it has ended."""
    while True:
        status = live(client, name)
        show(status)
        if status.ended is not None or once:
            return status.ended is not None
        time.sleep(interval)


@contextmanager
def _screen() -> Iterator[Callable[[LiveStatus], None]]:
    """Yield the function that shows a status: on a terminal over the one before, elsewhere below it."""
    if not is_terminal():
        # Into a pipe or file rich would fold at 80 columns.
        console = Console(width=WIDE)
        yield lambda status: console.print(top_table(status))
        return
    # An interrupt comes to the main thread, and would leave half of a table, and the cursor hidden.
    with ThreadPoolExecutor(1) as drawer:
        screen = Live(auto_refresh=False)
        try:
            drawer.submit(screen.start).result()
            yield lambda status: drawer.submit(screen.update, top_table(status), refresh=True).result()
        finally:
            drawer.submit(screen.stop).result()
