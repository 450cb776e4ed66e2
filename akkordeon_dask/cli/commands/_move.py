"""`dask akkordeon move` and `drain`: gates go to other workers, whoever owns the network."""

from typing import cast

import click

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.runtime import ask_owner, retire

__all__ = ["drain", "move"]


@click.command(short_help="Move a gate to another worker.")
@click.argument("name")
@click.argument("gate")
@click.argument("worker")
@cluster_options()
@report_errors
def move(*, name: str, gate: str, worker: str, where: ClusterAddress) -> None:
    """Move GATE of the network NAME to WORKER, a worker's name, address or host, while the network trains.

    The network's owner does it, wherever its program runs. An owner that does not answer is an error after
    akkordeon.timeouts.owner, 120 s; one that is gone is an error at once: `dask akkordeon network --adopt NAME` takes
    over.

    \b
    Examples:
      dask akkordeon move digits g0 bob --scheduler tcp://127.0.0.1:8786
      dask akkordeon status digits
          lists the gates with their workers
    """
    with interruptible(), client_at(where) as client:
        seconds = cast(float, ask_owner(client, name, "move", gate, worker))
    click.echo(f"gate {gate!r} moved to {worker}, unavailable for {1000 * seconds:.0f} ms")


@click.command(short_help="Move all gates off a worker.")
@click.argument("what", nargs=-1, required=True, metavar="[NAME] WORKER")
@click.option("--retire", "retires", is_flag=True, help="Drain WORKER of all networks, then end it. Without NAME.")
@cluster_options()
@report_errors
def drain(*, what: tuple[str, ...], retires: bool, where: ClusterAddress) -> None:
    """Move all gates of the network NAME, and its owner's sentinels, off WORKER, before you retire it.

    The network's owner does it, as with `move`. A worker that gets SIGTERM, or ends in any other way that leaves it
    the time, drains by itself. `client.retire_workers` sets off the same as --retire, but does not wait for it.

    \b
    Examples:
      dask akkordeon drain digits bob --scheduler tcp://127.0.0.1:8786
      dask akkordeon drain bob --retire
          moves the gates and sentinels of all networks off bob, and ends it
    """
    if len(what) != (1 if retires else 2):
        raise click.UsageError("give a network's NAME and a WORKER, or --retire and a WORKER alone")
    name, worker = what[0], what[-1]
    with interruptible(), client_at(where) as client:
        if retires:
            click.echo(f"worker {worker} ({retire(worker, client)}) is drained and retired")
            return
        pauses = cast("dict[str, float]", ask_owner(client, name, "drain", worker))
    moved = ", ".join(f"{gate!r} unavailable for {1000 * seconds:.0f} ms" for gate, seconds in pauses.items())
    click.echo(f"gates moved off {worker}: {moved or 'none, it had none'}")
