"""The options of `sentinel`."""

import click

from akkordeon_dask.cli.demo._settings import DATA_SETS
from akkordeon_dask.cli.options._cluster_options import cluster_options
from akkordeon_dask.cli.options._data_option import parse_shard
from akkordeon_dask.cli.options._objective_options import loss_of, losses, scores, scores_of
from akkordeon_dask.cli.options._param_types import count_or_duration
from akkordeon_dask.cli.options._shared_options import (
    batch_size_option,
    combine,
    concurrency_option,
    every_option,
    passes_json_option,
    sentinel_default,
)

__all__ = ["sentinel_options"]

_COUNT = click.IntRange(min=1)
_MODES = ("train", "validate", "test")


def _names(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(name.strip() for name in value.split(","))


def _class_weight(ctx: click.Context, param: click.Parameter, value: str | None) -> dict[int, float] | None:
    if value is None:
        return None
    try:
        pairs = [pair.split("=") for pair in value.split(",")]
        return {int(label): float(weight) for label, weight in pairs}
    except ValueError:
        raise click.BadParameter(f"{value!r} names no weights of labels: write 0=1,1=5") from None


sentinel_options = combine(
    cluster_options(wait=True),
    click.option(
        "--mode", type=click.Choice(_MODES),
        help="train the network, validate it again and again, or test it once.  [required unless DATA is a Sentinel]",
    ),
    click.option(
        "--data", required=True, metavar="DATA",
        help=f"The data: {', '.join(DATA_SETS)}, or your own, MODULE:NAME or FILE.py:NAME: a provider, an iterable of "
        "batches (x, y), a function without arguments that returns one, or a whole Sentinel, whose options are then "
        "the defaults; or a file or fsspec URL that ends in .csv, .parquet or .npz.",
    ),
    click.option(
        "--target", metavar="COLUMN",
        help="The column of a .csv or .parquet file that holds the labels, or the array of a .npz file; for a loss of "
        "numbers one for each output, tip,fare.  [default of a .npz file: y]",
    ),
    click.option(
        "--classes", callback=_names, metavar="NAME,NAME,...",
        help="The values of that column in the order of their labels 0, 1, ..., where they are text.",
    ),
    click.option(
        "--columns", callback=_names, metavar="NAME,NAME,...",
        help="The columns of a .csv or .parquet file that are the features, in their order.  [default: all but the "
        "target]",
    ),
    click.option("--take", type=_COUNT, metavar="N", help="Only the first N samples."),
    click.option(
        "--shard", callback=parse_shard, metavar="I/N", help="Only the I-th of N shares of these: 1/4 is the first."
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of the order of the samples.  [default: 0]"),
    batch_size_option,
    concurrency_option,
    click.option(
        "--loss", callback=loss_of, metavar="LOSS", show_default="softmax-cross-entropy",
        help=f"The loss that training minimises: {losses}, or your own, FILE.py:LOSS.",
    ),
    click.option(
        "--scores", callback=scores_of, metavar="SCORE[,SCORE...]", show_default="those of the loss",
        help=f"Reported beside the loss: {scores}, or your own, FILE.py:SCORE.",
    ),
    click.option(
        "--class-weight", callback=_class_weight, metavar="CLASS=X,...",
        help="Weights of labels in the loss: 1=5 lets class 1 count five times.  [default: all weigh 1]",
    ),
    every_option("--every"),
    click.option("--epochs", type=_COUNT, metavar="N", help="End after N epochs.  [default: at Ctrl-C]"),
    click.option(
        "--batches-per-pass", type=_COUNT, metavar="N",
        help="A pass is N batches: for data that never end.  [default: all of the data]",
    ),
    click.option(
        "--report-every", callback=count_or_duration, metavar="N|TIME",
        help="A pass is N samples, or so much time, 10s: for data that never end.",
    ),
    click.option(
        "--fading", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="X",
        help="Report averages of loss and scores too in which each sample is worth X of the next one: 0.999 looks some "
        "1,000 samples back.",
    ),
    click.option(
        "--on-nonfinite", type=click.Choice(("stop", "skip", "rewind")),
        default=sentinel_default("on_nonfinite"),
        help="If a loss is NaN or infinite: end, leave the batch out, or set all gates back to their newest snapshots "
        "with half the learning rate.",
    ),
    click.option(
        "--resume", is_flag=True,
        help="Resume at the batch that was saved last, beside the network's snapshots, for a sentinel of this name and "
        "data; its finished epochs count.",
    ),
    click.option(
        "--worker", metavar="WORKER",
        help="The worker that runs the sentinel and loads the data: a name, address or host.  [default: that of the "
        "first gate]",
    ),
    click.option(
        "--here", is_flag=True, help="Run the sentinel in this process, which is a worker of the cluster meanwhile."
    ),
    click.option(
        "--as", "alias", metavar="NAME", help="The sentinel's name.  [default: train0, train1, ... by its mode]"
    ),
    passes_json_option,
)  # fmt: skip
