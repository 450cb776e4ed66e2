"""How a command ends when something goes wrong."""

import functools
from collections.abc import Callable
from typing import Any

import click

from akkordeon_dask.errors import AkkordeonError

__all__ = ["INTERRUPTED", "report_errors"]

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it."""


def report_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--debug`; without it an AkkordeonError is a message and exit code 1. Ctrl-C never shows a traceback."""

    @click.option("--debug", is_flag=True, envvar="AKKORDEON_DEBUG", help="Show the traceback of an error.")
    @functools.wraps(command)
    def run(*, debug: bool, **options: Any) -> None:
        try:
            command(**options)
        except AkkordeonError as error:
            if debug:
                raise
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            click.echo("\nInterrupted: all that was started has ended.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None

    return run
