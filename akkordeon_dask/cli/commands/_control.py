"""`dask akkordeon move`, `drain`, `pause` and `resume`: what becomes of a network that runs, whoever owns it."""

import click

from akkordeon_dask.cli._connection import client_at
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.runtime import ask_owner
from akkordeon_dask.runtime import pause as pause_all
from akkordeon_dask.runtime import resume as resume_all

__all__ = ["drain", "move", "pause", "resume"]


@click.command(short_help="Let a gate go on on another worker.")
@click.argument("name")
@click.argument("gate")
@click.argument("worker")
@cluster_options()
@report_errors
def move(*, name: str, gate: str, worker: str, where: ClusterAddress) -> None:
    """Let GATE of the network NAME go on on WORKER, a worker's name, address or host, while the network trains.

    The network's owner does it, wherever its program runs. Where it does not answer, that is said after
    akkordeon.timeouts.owner, 120 s; where it is gone, at once: `dask akkordeon network --adopt NAME` takes over.

    \b
    Examples:
      dask akkordeon move digits g0 bob --scheduler tcp://127.0.0.1:8786
      dask akkordeon status digits
          where the gates are
    """
    with interruptible(), client_at(where) as client:
        seconds = ask_owner(client, name, "move", gate, worker)
    click.echo(f"gate {gate!r} goes on on {worker}, after {1000 * seconds:.0f} ms without it")


@click.command(short_help="Move all gates off a worker.")
@click.argument("name")
@click.argument("worker")
@cluster_options()
@report_errors
def drain(*, name: str, worker: str, where: ClusterAddress) -> None:
    """Move all gates of the network NAME, and its owner's sentinels, off WORKER, which is to be retired.

    The network's owner does it, as with `move`. A worker that is stopped by SIGTERM drains by itself.

    \b
    Examples:
      dask akkordeon drain digits bob --scheduler tcp://127.0.0.1:8786
    """
    with interruptible(), client_at(where) as client:
        pauses = ask_owner(client, name, "drain", worker)
    moved = ", ".join(f"{gate!r} after {1000 * seconds:.0f} ms" for gate, seconds in pauses.items())
    click.echo(f"gates that left {worker}: {moved or 'none, it had none'}")


@click.command(short_help="Stop the training of a network for a while.")
@click.argument("name")
@cluster_options()
@report_errors
def pause(*, name: str, where: ClusterAddress) -> None:
    """Let all sentinels that train the network NAME stop, whoever attached them; what they sent comes home first.

    Their programs go on, and so do validation and prediction. It needs no owner. A sentinel that joins later trains.

    \b
    Examples:
      dask akkordeon pause digits --scheduler tcp://127.0.0.1:8786
      dask akkordeon resume digits
    """
    with interruptible(), client_at(where) as client:
        _tell(name, "paused", "running", pause_all(name, client))


@click.command(short_help="Let a paused network train on.")
@click.argument("name")
@cluster_options()
@report_errors
def resume(*, name: str, where: ClusterAddress) -> None:
    """Let the sentinels of the network NAME go on that `pause` stopped. It needs no owner.

    To go on from snapshots after everything was stopped: `dask akkordeon network TARGET --name NAME --resume URL`.

    \b
    Examples:
      dask akkordeon resume digits --scheduler tcp://127.0.0.1:8786
    """
    with interruptible(), client_at(where) as client:
        _tell(name, "resumed", "paused", resume_all(name, client))


def _tell(name: str, event: str, state: str, sentinels: tuple[str, ...]) -> None:
    if sentinels:
        click.echo(f"{event}: {', '.join(sentinels)}")
    else:
        click.echo(f"network {name!r} has no training sentinel that is {state}: nothing to do")
