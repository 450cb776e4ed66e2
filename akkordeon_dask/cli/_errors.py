"""Exit codes and messages of a command that fails."""

import errno
import functools
from collections.abc import Callable
from typing import Any

import click

from akkordeon_dask.cli._advice import with_options
from akkordeon_dask.errors import AkkordeonError

__all__ = ["INTERRUPTED", "report_errors"]

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A log file that takes no more lines; click ends quietly where the reader of a pipe is gone."""


def report_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--debug`; without it an AkkordeonError, or a full disk, is a message and exit code 1.

    Behind a message that names arguments of Python stand the options for them. Ctrl-C never shows a traceback.
    """

    @click.option("--debug", is_flag=True, envvar="AKKORDEON_DEBUG", help="Show the traceback of an error.")
    @functools.wraps(command)
    def run(*, debug: bool, **options: Any) -> None:
        try:
            command(**options)
        except AkkordeonError as error:
            if debug:
                raise
            raise click.ClickException(with_options(str(error), _options())) from None
        except OSError as error:
            if debug or error.errno not in _FULL:
                raise
            raise click.ClickException(f"cannot write the output: {error}: make room, or send it elsewhere") from None
        except KeyboardInterrupt:
            click.echo("\nInterrupted: all that was started has ended.", err=True)
            raise click.exceptions.Exit(INTERRUPTED) from None

    return run


def _options() -> set[str]:
    """The options of the command that runs."""
    return {name for param in click.get_current_context().command.params for name in param.opts}
