"""`dask akkordeon predict`."""

from collections.abc import Iterable, Iterator

import click
import numpy as np
from rich.console import Console
from rich.progress import track

from akkordeon_dask._files import absolute
from akkordeon_dask.cli._connection import client_at, wait_for_network
from akkordeon_dask.cli._errors import report_errors
from akkordeon_dask.cli._npy_files import read_samples, write_array
from akkordeon_dask.cli._signals import interruptible
from akkordeon_dask.cli.options._cluster_options import ClusterAddress, cluster_options
from akkordeon_dask.cli.options._param_types import new_file, path_or_url
from akkordeon_dask.errors import ShapeError
from akkordeon_dask.runtime import Running
from akkordeon_dask.tree import Array

__all__ = ["predict"]

_PIECE = 4 << 20
"""Bytes of a request."""


@click.command(short_help="Classify the samples of a file.")
@click.argument("name")
@cluster_options(wait=True)
@click.option(
    "--input", "source", required=True, callback=path_or_url, metavar="FILE",
    help="Samples, (samples, ...) as numpy.save writes them: a file or fsspec URL.",
)  # fmt: skip
@click.option(
    "--output", "target", required=True, callback=new_file, metavar="FILE",
    help="The predictions, as numpy.save writes them: a file or fsspec URL.",
)  # fmt: skip
@click.option("--logits", is_flag=True, help="Write the network's outputs, not the class of each sample.")
@report_errors
def predict(*, name: str, where: ClusterAddress, source: str, target: str, logits: bool) -> None:
    """Send the samples of a .npy file through the network NAME, and write the class of each: its largest output.

    The predictions are (samples,) int64, or with --logits (samples, outputs) as the network returns them. A network
    with one output, for a regression or an answer yes or no, has no classes: it needs --logits. They are written at
    once, at the end. The network may train meanwhile: one version of it answers each piece of 4 MiB.

    \b
    Examples:
      dask akkordeon predict digits --input images.npy --output classes.npy \\
          --scheduler tcp://127.0.0.1:8786
      dask akkordeon predict digits --input images.npy --output y.npy --logits
      dask akkordeon predict houses --input houses.npy --output prices.npy --logits
    """
    if absolute(source) == absolute(target):
        raise click.UsageError(f"--output {target} would replace the samples of --input: give another file")
    samples = read_samples(source)
    with interruptible(), client_at(where) as client, wait_for_network(name, client, where.patience) as running:
        answers = [y if logits else _classes(y) for y in _outputs(running, samples)]
    answer = np.concatenate(answers)
    write_array(target, answer)
    click.echo(f"{target}: {answer.shape} {answer.dtype}")


def _outputs(running: Running, samples: Array) -> Iterator[Array]:
    step = max(1, _PIECE // max(1, samples[:1].nbytes))
    starts: Iterable[int] = range(0, len(samples), step)
    console = Console(stderr=True)
    if console.is_terminal and len(samples) > step:
        starts = track(starts, "predict", console=console)
    for start in starts:
        yield running.predict(samples[start : start + step])


def _classes(y: Array) -> Array:
    if y.ndim != 2:
        raise ShapeError(f"the network returns {y.shape}, classes are chosen from (samples, classes): write --logits")
    if y.shape[1] == 1:
        raise ShapeError("the network has one output, there is no class to choose: write --logits for its numbers")
    classes: Array = y.argmax(axis=1).astype(np.int64)
    return classes
