"""The options that `demo` and `sentinel` share, with the defaults of `Sentinel`."""

from collections.abc import Callable
from typing import Any

import click

from akkordeon_dask.cli.options._param_types import duration
from akkordeon_dask.network import Sentinel

__all__ = ["batch_size_option", "concurrency_option", "every_option", "sentinel_default"]


def sentinel_default(field: str) -> Any:
    """The defaults of a `Sentinel`."""
    return Sentinel.__dataclass_fields__[field].default


batch_size_option: Callable[[Any], Any] = click.option(
    "--batch-size", type=click.IntRange(min=1), default=sentinel_default("batch_size"), help="Samples a batch."
)

concurrency_option: Callable[[Any], Any] = click.option(
    "--concurrency", type=click.IntRange(min=1), default=sentinel_default("concurrency"),
    help="Batches that a sentinel may have under way at once.",
)  # fmt: skip


def every_option(name: str) -> Callable[[Any], Any]:
    """From one validation pass to the next, under this name."""
    return click.option(
        name, callback=duration, default=f"{sentinel_default('every'):g}s", metavar="TIME",
        help="From the start of a validation pass to the start of the next: 10s, 500ms.",
    )  # fmt: skip
