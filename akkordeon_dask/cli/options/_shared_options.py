"""The options that several commands share; those of a sentinel have the defaults of `Sentinel`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from akkordeon_dask.cli.options._param_types import duration, new_file
from akkordeon_dask.network import Sentinel

__all__ = [
    "batch_size_option",
    "combine",
    "concurrency_option",
    "every_option",
    "passes_json_option",
    "report_option",
    "save_option",
    "sentinel_default",
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


def every_option(name: str) -> Callable[[Command], Command]:
    """The time between two validation passes, as an option of this name."""
    return click.option(
        name, callback=duration, default=f"{sentinel_default('every'):g}s", metavar="TIME",
        help="Time from the start of a validation pass to the start of the next: 500ms, 20s, 1.5min.",
    )  # fmt: skip


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
