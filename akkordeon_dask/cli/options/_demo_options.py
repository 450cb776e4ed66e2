"""The options of `demo`."""

from collections.abc import Callable
from typing import TypeVar

import click

from akkordeon_dask.cli.demo import _defaults
from akkordeon_dask.cli.demo._network import OPTIMIZERS
from akkordeon_dask.cli.demo._settings import DATA_SETS
from akkordeon_dask.cli.options._cluster_options import cluster_options
from akkordeon_dask.cli.options._param_types import comma_separated, new_file
from akkordeon_dask.cli.options._shared_options import batch_size_option, concurrency_option, every_option

__all__ = ["options", "report_option", "save_option"]

Command = TypeVar("Command", bound=Callable[..., None])

_PIXELS, _CLASSES = 784, 10
_COUNT = click.IntRange(min=1)


def options(command: Command) -> Command:
    """Give a command all options of `demo`, in the order of its help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_whole_numbers = comma_separated(int, lambda size: size > 0, "whole numbers from 1")


def _sizes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    sizes = _whole_numbers(ctx, param, value)
    if len(sizes) < 2 or sizes[0] != _PIXELS or sizes[-1] < _CLASSES:
        raise click.BadParameter(
            f"{value!r} has to begin with {_PIXELS}, the pixels of an image, and to end with {_CLASSES} or more, "
            f"the classes: {_defaults.SIZES}"
        )
    return sizes


save_option = click.option(
    "--save", callback=new_file, metavar="FILE",
    help="At the end, Ctrl-C included, write the parameters to this safetensors file or fsspec URL.",
)  # fmt: skip

report_option = click.option(
    "--report", callback=new_file, metavar="FILE",
    help="At the end, Ctrl-C included, write the curves, the network and its settings to this HTML file or fsspec URL: "
    "it needs nothing else.",
)  # fmt: skip

_RATES = ", ".join(f"{name} {lr:g}" for name, lr in _defaults.LEARNING_RATES.items())

_OPTIONS = (
    click.option(
        "--data", type=click.Choice(list(DATA_SETS)), default=_defaults.DATA,
        help="What to train with. mnist-sample comes with the package; the others are downloaded once, or found in "
        "$AKKORDEON_DATA/NAME.",
    ),
    click.option(
        "--sizes", callback=_sizes, default=_defaults.SIZES, metavar="N,N,...",
        help="Features in front of the first gate and behind each one.",
    ),
    click.option(
        "--optimizer", type=click.Choice(list(OPTIMIZERS)), default=_defaults.OPTIMIZER,
        help="How each gate learns. dcasgd and dcasgda compensate for the delay of gradients.",
    ),
    click.option(
        "--lr", metavar="X[,X...]",
        callback=comma_separated(float, lambda lr: 0 < lr < float("inf"), "numbers above 0"),
        show_default=_RATES,
        help="Learning rate after the warm-up, from where it falls along a cosine: one, or one for each gate.",
    ),
    click.option(
        "--dropout", callback=comma_separated(float, lambda share: 0 <= share < 1, "numbers from 0, below 1"),
        metavar="X[,X...]", default=_defaults.DROPOUT,
        help="Share that is dropped behind a gate: one, or one for each gate but the last.",
    ),
    batch_size_option,
    concurrency_option,
    click.option("--sentinels", type=_COUNT, default=1, help="Training sentinels, which share the data."),
    click.option("--epochs", type=_COUNT, default=_defaults.EPOCHS, help="Passes of each training sentinel."),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, help="Of the first parameters, the batches and the dropout."
    ),
    click.option(
        "--workers", type=click.IntRange(min=0), default=0, metavar="N",
        help="Worker processes to start, with the gates spread over them; 0: everything in this process.",
    ),
    cluster_options(required=False, wait=True),
    every_option("--validate-every"),
    save_option,
    report_option,
    click.option(
        "--json", is_flag=True,
        help="Standard output carries one JSON object a line, for each pass and at the end; the text goes to standard "
        "error.",
    ),
)  # fmt: skip
