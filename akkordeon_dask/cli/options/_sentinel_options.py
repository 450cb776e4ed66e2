"""The options of `sentinel`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from akkordeon_dask.cli.demo._settings import DATA_SETS
from akkordeon_dask.cli.options._cluster_options import cluster_options
from akkordeon_dask.cli.options._data_option import parse_shard
from akkordeon_dask.cli.options._objective_options import loss_of, losses, scores, scores_of
from akkordeon_dask.cli.options._shared_options import (
    batch_size_option,
    concurrency_option,
    every_option,
    sentinel_default,
)

__all__ = ["sentinel_options"]

Command = TypeVar("Command", bound=Callable[..., None])

_COUNT = click.IntRange(min=1)
_MODES = ("train", "validate", "test")


def sentinel_options(command: Command) -> Command:
    """Give a command all options of `sentinel`, in the order of its help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    cluster_options(wait=True),
    click.option(
        "--mode", type=click.Choice(_MODES),
        help="train the network, validate it again and again, or test it once.  [required, where DATA is no Sentinel]",
    ),
    click.option(
        "--data", required=True, metavar="DATA",
        help=f"What with: {', '.join(DATA_SETS)}, or data of your own, MODULE:NAME or FILE.py:NAME: a provider, an "
        "iterable of batches (x, y), a function without arguments that makes one, or a whole Sentinel, whose own "
        "options hold where none is given here.",
    ),
    click.option("--take", type=_COUNT, metavar="N", help="Only the first N samples."),
    click.option("--shard", callback=parse_shard, metavar="I/N", help="Of those the I-th of N shares: 1/4 the first."),
    click.option("--seed", type=click.IntRange(min=0), help="Of the order of the samples.  [default: 0]"),
    batch_size_option,
    concurrency_option,
    click.option(
        "--loss", callback=loss_of, metavar="LOSS", show_default="softmax-cross-entropy",
        help=f"What is minimised: {losses}, or one of your own, FILE.py:LOSS.",
    ),
    click.option(
        "--scores", callback=scores_of, metavar="SCORE[,SCORE...]", show_default="as fits the loss",
        help=f"What is told beside the loss: {scores}, or your own, FILE.py:SCORE.",
    ),
    every_option("--every"),
    click.option("--epochs", type=_COUNT, metavar="N", help="End after N passes.  [default: at Ctrl-C]"),
    click.option(
        "--batches-per-pass", type=_COUNT, metavar="N",
        help="A pass is N batches: for data that never end.  [default: all of the data]",
    ),
    click.option(
        "--on-nonfinite", type=click.Choice(("stop", "skip", "rewind")),
        default=sentinel_default("on_nonfinite"),
        help="When a loss is NaN or infinite: end, leave the batch out, or let all gates go back to their newest "
        "snapshots with half the learning rate.",
    ),
    click.option(
        "--resume", is_flag=True,
        help="Go on in the pass, and at the batch, where a sentinel of this name with the same data was when that was "
        "last written down beside the network's snapshots; its epochs count.",
    ),
    click.option(
        "--worker", metavar="WORKER",
        help="A worker's name, address or host: the data are loaded there.  [default: beside the first gate]",
    ),
    click.option("--here", is_flag=True, help="In this process, which becomes a worker of the cluster for as long."),
    click.option(
        "--as", "alias", metavar="NAME", help="What it is called.  [default: train0, train1, ... by its mode]"
    ),
    click.option(
        "--json", is_flag=True,
        help="Standard output carries one JSON object a line, for each pass and at the end; the text goes to standard "
        "error.",
    ),
)  # fmt: skip
