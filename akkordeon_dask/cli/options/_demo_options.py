"""The options of `demo`."""

import click

from akkordeon_dask.cli.demo import _defaults
from akkordeon_dask.cli.demo._network import OPTIMIZERS
from akkordeon_dask.cli.demo._settings import DATA_SETS
from akkordeon_dask.cli.options._cluster_options import cluster_options
from akkordeon_dask.cli.options._param_types import comma_separated
from akkordeon_dask.cli.options._shared_options import (
    batch_size_option,
    combine,
    concurrency_option,
    every_option,
    microbatches_option,
    passes_json_option,
    report_option,
    save_option,
)

__all__ = ["options"]

_PIXELS, _CLASSES = 784, 10
_COUNT = click.IntRange(min=1)


_whole_numbers = comma_separated(int, lambda size: size > 0, "whole numbers from 1")


def _sizes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    sizes = _whole_numbers(ctx, param, value)
    if len(sizes) < 2 or sizes[0] != _PIXELS or sizes[-1] < _CLASSES:
        raise click.BadParameter(
            f"{value!r} has to begin with {_PIXELS}, the pixels of an image, and to end with {_CLASSES} or more, "
            f"the classes: {_defaults.SIZES}"
        )
    return sizes


_RATES = ", ".join(f"{name} {lr:g}" for name, lr in _defaults.LEARNING_RATES.items())

options = combine(
    click.option(
        "--data", type=click.Choice(list(DATA_SETS)), default=_defaults.DATA,
        help="The data set. mnist-sample comes with the package; the others are downloaded once, or read from "
        "$AKKORDEON_DATA/NAME.",
    ),
    click.option(
        "--sizes", callback=_sizes, default=_defaults.SIZES, metavar="N,N,...",
        help="Features in front of the first gate and behind each one.",
    ),
    click.option(
        "--optimizer", type=click.Choice(list(OPTIMIZERS)), default=_defaults.OPTIMIZER,
        help="The optimizer of each gate. dcasgd, dcasgda and gapaware answer the delay of gradients.",
    ),
    click.option(
        "--lr", metavar="X[,X...]",
        callback=comma_separated(float, lambda lr: 0 < lr < float("inf"), "numbers above 0"),
        show_default=_RATES,
        help="Learning rate after the warm-up, before it falls along a cosine: one, or one for each gate.",
    ),
    click.option(
        "--dropout", callback=comma_separated(float, lambda share: 0 <= share < 1, "numbers from 0, below 1"),
        metavar="X[,X...]", default=_defaults.DROPOUT,
        help="Share that is dropped behind a gate: one, or one for each gate but the last.",
    ),
    batch_size_option,
    concurrency_option,
    click.option(
        "--accumulate", type=_COUNT, default=1, metavar="N",
        help="Batches whose gradients make one update of a gate. With N at least the batches in flight, gradients are "
        "at most one update late.",
    ),
    microbatches_option,
    click.option("--sentinels", type=_COUNT, default=1, help="Training sentinels, which share the data."),
    click.option("--epochs", type=_COUNT, default=_defaults.EPOCHS, help="Epochs of each training sentinel."),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0,
        help="Seed of the initial parameters, the batches and the dropout.",
    ),
    click.option(
        "--workers", type=click.IntRange(min=0), default=0, metavar="N",
        help="Worker processes to start for the gates; 0: everything runs in this process.",
    ),
    cluster_options(required=False, wait=True),
    every_option("--validate-every"),
    save_option,
    report_option,
    passes_json_option,
)  # fmt: skip
