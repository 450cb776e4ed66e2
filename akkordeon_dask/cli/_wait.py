"""Programs that start together: each waits for the scheduler, network or workers that another one still starts."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

import click

from akkordeon_dask.errors import AkkordeonError, DeploymentError, PlacementError

__all__ = ["NotYetError", "WaitLimit"]

Result = TypeVar("Result")

_PAUSE, _BRIEF = 0.5, 1.0
"""Seconds between two tries, and of the first try to reach a scheduler, so that the line below comes at once."""


class NotYetError(DeploymentError):
    """A scheduler or network is missing that another program may still start."""


class WaitLimit:
    """The seconds that a command waits in all, from now on; it prints a line for each missing thing, once."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._said: str | None = None

    def limit(self, seconds: float) -> float:
        """Seconds for one try that may take so many; fewer for the first one, whose failure prints the first line."""
        return seconds if self._said is not None or self.seconds == 0 else min(seconds, _BRIEF)

    def until(self, attempt: Callable[[], Result]) -> Result:
        """The result of the first try that succeeds.

        Raises
        ------
        NotYetError, PlacementError
            the error of the last try when the time is over: no scheduler, no network or no worker.
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
            click.echo(f"{'waiting':<11} up to {math.ceil(left)} s, Ctrl-C ends it: {error}", err=True)
