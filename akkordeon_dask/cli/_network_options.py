"""The options of `network`."""

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

from akkordeon_dask.cli._options import report_option
from akkordeon_dask.cli._where import cluster_options

__all__ = ["network_options", "resuming"]

Command = TypeVar("Command", bound=Callable[..., None])


def network_options(command: Command) -> Command:
    """Give a command all options of `network`, in the order of its help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _every(context: click.Context, parameter: click.Parameter, value: str) -> str | int:
    return int(value) if value.isdecimal() else value


def resuming(target: str | None, name: str, scheduler: str, place: str | None) -> str | None:
    """The command that goes on where the snapshots at a place end; None: there are none."""
    if place is None or target is None:
        return None
    words = ["dask", "akkordeon", "network", target, "--name", name, "--scheduler", scheduler, "--resume", place]
    return shlex.join(words)


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--name", help="The name by which others find it."),
    cluster_options,
    click.option(
        "--snapshots", metavar="URL",
        help="Write the state of every gate there while it works, a path that all workers share or any fsspec URL: a "
        "gate whose worker is lost is made anew from it.",
    ),
    click.option(
        "--snapshot-every", callback=_every, default="30s", metavar="SPAN",
        help="A time, 30s, or a number of updates, 1000, between two snapshots of a gate.",
    ),
    click.option("--resume", metavar="URL", help="Go on from the snapshots there, and write new ones there too."),
    click.option(
        "--adopt", metavar="NAME",
        help="Instead of TARGET: take over a network that runs, whose owner is gone or is to be relieved.",
    ),
    click.option(
        "--save", type=click.Path(dir_okay=False, writable=True), metavar="FILE",
        help="At the end, write the parameters to this safetensors file or fsspec URL.",
    ),
    report_option,
    click.option("--load", metavar="FILE", help="Begin with the parameters of such a file."),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the first parameters and the dropout."),
    click.option(
        "--json", is_flag=True,
        help="Standard output carries one JSON object a line: when the network is up, and at the end; the text goes to "
        "standard error.",
    ),
)  # fmt: skip
