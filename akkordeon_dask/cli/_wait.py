"""Programs that are started together: each waits for what another one has not started yet."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from akkordeon_dask.cli.options._param_types import duration
from akkordeon_dask.errors import AkkordeonError, DeploymentError, PlacementError

__all__ = ["NotYetError", "WaitLimit", "wait_option"]

Result = TypeVar("Result")

_PAUSE, _BRIEF = 0.5, 1.0
"""Seconds between two tries, and of the first try to reach a scheduler: the line comes at once."""


class NotYetError(DeploymentError):
    """Something that another program may still start."""


class WaitLimit:
    """So many seconds, from now on, for all that a command waits for; a line says what for, once for each thing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._said: str | None = None

    def limit(self, seconds: float) -> float:
        """Seconds for one try that may take so many: the first one is short, for nobody knows yet who waits."""
        return seconds if self._said is not None or self.seconds == 0 else min(seconds, _BRIEF)

    def until(self, attempt: Callable[[], Result]) -> Result:
        """The result of the first try that finds all it needs.

        Raises
        ------
        NotYetError, PlacementError
            those of the last try when the time is over: that there is no scheduler, no network or no worker.
        """
        while True:
            try:
                return attempt()
            except (NotYetError, PlacementError) as error:
                self._check(error)
            time.sleep(min(_PAUSE, max(0.0, self._end - time.monotonic())))

    def _check(self, error: AkkordeonError) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            waited = f" (waited {self.seconds:g} s)" if self.seconds else ""
            raise type(error)(f"{error}{waited}") from error
        missing = str(error).split(": ")[0]  # the rest varies, as a connection's last error does
        if missing != self._said:
            self._said = missing
            click.echo(f"{'waiting':<11} up to {left:.0f} s, Ctrl-C ends it: {error}", err=True)


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    return 0.0 if value.strip().rstrip("s") == "0" else duration(ctx, param, value)


def wait_option() -> Callable[[Any], Any]:
    """`--wait`: how long a command waits for what is not there yet."""
    return click.option(
        "--wait", callback=_seconds, default="60s", metavar="TIME",
        help="How long to wait for what is not there yet: the scheduler, the network, the workers that are asked for; "
        "0: not at all.",
    )  # fmt: skip
