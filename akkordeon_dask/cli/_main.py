"""The group `akkordeon`, which `dask` lists among its commands."""

import io
import sys

import click

from akkordeon_dask._open_files import raise_limit
from akkordeon_dask._version import __version__
from akkordeon_dask.cli.commands._data import data
from akkordeon_dask.cli.commands._demo import demo
from akkordeon_dask.cli.commands._move import drain, move
from akkordeon_dask.cli.commands._network import network
from akkordeon_dask.cli.commands._pause import pause, resume
from akkordeon_dask.cli.commands._predict import predict
from akkordeon_dask.cli.commands._save import report, save, snapshot
from akkordeon_dask.cli.commands._sentinel import sentinel
from akkordeon_dask.cli.commands._status import status
from akkordeon_dask.cli.commands._stop import stop
from akkordeon_dask.cli.commands._top import top

__all__ = ["akkordeon"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="akkordeon_dask")
def akkordeon() -> None:
    """Train neural networks as actors on a Dask cluster.

    A gate is an actor with a piece of the network and its own optimizer; a sentinel is an actor with data that trains,
    validates or tests the network. All run at the same time, on one machine or on many.

    \b
    Begin with:
      dask akkordeon demo          train on the digits that come with the package
      dask akkordeon demo --help   its options

    \b
    On a cluster (`dask scheduler`, `dask worker`), each in its own terminal:
      dask akkordeon network digits.py:network --name digits
      dask akkordeon sentinel digits --mode train --data mnist
      dask akkordeon sentinel digits --mode validate --data mnist
      dask akkordeon status
      dask akkordeon top digits

    Start them in any order: a command waits for a scheduler, worker or network that is not there yet, and says so
    (--wait).
    """
    raise_limit()
    _escape_letters()


def _escape_letters() -> None:
    """Write letters of names that the encoding of standard output lacks as escapes, as standard error does."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


for _command in (
    demo, network, sentinel, status, top, predict, pause, resume, move, drain, snapshot, save, report, stop, data,
):  # fmt: skip
    akkordeon.add_command(_command)
