"""The options of `network`."""

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.cli.options._demo_options import report_option, save_option
from akkordeon_dask.cli.options._param_types import path_or_url

__all__ = ["network_options", "resume_command"]

Command = TypeVar("Command", bound=Callable[..., None])


def network_options(command: Command) -> Command:
    """Give a command all options of `network`, in the order of its help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _every(context: click.Context, parameter: click.Parameter, value: str) -> str | int:
    return int(value) if value.isdecimal() else value


def resume_command(target: str | None, name: str, where: ClusterAddress, place: str | None) -> str | None:
    """The command that goes on where the snapshots at a place end; None: there are none."""
    if place is None or target is None:
        return None
    words = ["dask", "akkordeon", "network", target, "--name", name, *where.words, "--resume", place]
    return shlex.join(words)


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--name", help="The name by which others find it."),
    cluster_options(wait=True),
    click.option(
        "--snapshots", callback=path_or_url, metavar="URL",
        help="Write the state of every gate there while it works, a path that all workers share or any fsspec URL: a "
        "gate whose worker is lost is made anew from it.",
    ),
    click.option(
        "--snapshot-every", callback=_every, default="30s", metavar="SPAN",
        help="A time, 30s, or a number of updates, 1000, between two snapshots of a gate.",
    ),
    click.option(
        "--resume", callback=path_or_url, metavar="URL",
        help="Go on from the snapshots there, and write new ones there too.",
    ),
    click.option(
        "--adopt", metavar="NAME",
        help="Instead of TARGET: take over a network that runs, whose owner is gone or is to be relieved.",
    ),
    save_option,
    report_option,
    click.option(
        "--load", callback=path_or_url, metavar="FILE", help="Begin with the parameters of such a file or URL."
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the first parameters and the dropout."),
    click.option(
        "--json", is_flag=True,
        help="Standard output carries one JSON object a line: when the network is up, and at the end; the text goes to "
        "standard error.",
    ),
)  # fmt: skip
