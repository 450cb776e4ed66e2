"""The options that several commands share; those of a sentinel have the defaults of `Sentinel`."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from akkordeon_dask.cli.options._param_types import duration, new_file
from akkordeon_dask.network import Sentinel

__all__ = [
    "batch_size_option",
    "combine",
    "concurrency_option",
    "every_option",
    "microbatches_option",
    "passes_json_option",
    "report_option",
    "save_option",
    "sentinel_default",
    "updates_of",
]


Command = TypeVar("Command", bound=Callable[..., None])


def combine(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """One decorator for several options, in the order of the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def sentinel_default(field: str) -> object:
    """The default of a field of `Sentinel`."""
    default: object = Sentinel.__dataclass_fields__[field].default
    return default


batch_size_option: Callable[[Any], Any] = click.option(
    "--batch-size", type=click.IntRange(min=1), default=sentinel_default("batch_size"), help="Samples in a batch."
)

concurrency_option: Callable[[Any], Any] = click.option(
    "--concurrency", type=click.IntRange(min=1), default=sentinel_default("concurrency"),
    help="Batches of a sentinel in flight at once, at most.",
)  # fmt: skip


microbatches_option: Callable[[Any], Any] = click.option(
    "--n-microbatches", type=click.IntRange(min=1), metavar="N",
    help="All gates update together, once a step of N batches, as with one large batch: no gradient is late. Without, "
    "each gate updates as gradients come.",
)  # fmt: skip


def updates_of(n_microbatches: int | None) -> Literal["asynchronous", "synchronous"]:
    """The argument of `deploy` that goes with --n-microbatches."""
    return "asynchronous" if n_microbatches is None else "synchronous"


def every_option(name: str) -> Callable[[Command], Command]:
    """The time between two validation passes, as an option of this name."""
    return click.option(
        name, callback=_every, default=f"{sentinel_default('every'):g}s", metavar="TIME|epoch",
        help="Time from the start of a validation pass to the start of the next: 500ms, 20s, 1.5min; or 'epoch': after "
        "each epoch of any training sentinel, 'epoch of train0': of this one.",
    )  # fmt: skip


def _every(ctx: click.Context, param: click.Parameter, value: str) -> float | str:
    return value if value.split()[:1] == ["epoch"] else duration(ctx, param, value)


save_option: Callable[[Any], Any] = click.option(
    "--save", callback=new_file, metavar="FILE",
    help="At the end, Ctrl-C included, write the parameters to this safetensors file or fsspec URL.",
)  # fmt: skip

report_option: Callable[[Any], Any] = click.option(
    "--report", callback=new_file, metavar="FILE",
    help="At the end, Ctrl-C included, write the curves, the network and its settings to this self-contained HTML file "
    "or fsspec URL.",
)  # fmt: skip

passes_json_option: Callable[[Any], Any] = click.option(
    "--json", is_flag=True,
    help="Write one JSON object a line to standard output, for each pass and at the end; text goes to standard error.",
)  # fmt: skip
