"""Views of a run: in a terminal, a notebook, or as lines on anything else."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

from rich.console import Console
from rich.constrain import Constrain
from rich.live import Live

from akkordeon_dask.console._bars import bars
from akkordeon_dask.console._logs import redirected_logs
from akkordeon_dask.console._notebook import Display, display_bundle
from akkordeon_dask.console._row import Row

__all__ = ["LineView", "NotebookView", "TerminalView", "View", "is_terminal", "make_view"]

_ONE = threading.Lock()
"""Held by the one view of this process that draws in place."""

_ECHO = "^C"
"""Terminals write it behind the last bar. On a line of its own, it would be erased instead of the bar."""


class View:
    """A context: after it nothing more is written. Used by one thread at a time."""

    vital = False
    """A program reads it: a write that fails is an error. A person's terminal may go away while a run goes on."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def say(self, text: str) -> None:
        """Write a line that stays."""
        raise NotImplementedError

    def draw(self, rows: Sequence[Row]) -> None:
        """Show the sentinels at work instead of those shown before."""


class LineView(View):
    """Lines on standard output, whatever it is."""

    vital = True

    def say(self, text: str) -> None:
        _write(text)


class TerminalView(View):
    """Lines that scroll away, over bars that are redrawn and vanish at the end.

    Where another view has the terminal already, the lines alone.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._rows: Sequence[Row] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if _ONE.acquire(blocking=False):
            with ExitStack() as stack:
                stack.callback(_ONE.release)
                self._live = stack.enter_context(_live(self._console))
                self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._live = None
        self._stack.close()

    def say(self, text: str) -> None:
        if self._live is None:
            _write(text)
        else:
            self._console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def draw(self, rows: Sequence[Row]) -> None:
        if self._live is not None and rows != self._rows:
            self._rows = rows
            self._live.update(Constrain(bars(rows), self._console.width - len(_ECHO)), refresh=True)


@contextmanager
def _live(console: Console) -> Iterator[Live]:
    """Text that is printed or logged meanwhile stands above it."""
    out, err = sys.stdout, sys.stderr
    # Standard error stays where it goes, unless it would be written over the bars.
    live = Live(console=console, auto_refresh=False, transient=True, redirect_stderr=err is not None and err.isatty())
    try:
        live.start()
        with redirected_logs((out, sys.stdout), (err, sys.stderr)):
            yield live
        sys.stdout.flush()  # a line without an end, which rich has kept until now
    finally:
        live.stop()


class NotebookView(View):
    """One output of a cell, which is replaced: the newest lines and the bars, at the end all lines."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._display = Display()

    def __exit__(self, *error: object) -> None:
        if self._lines or self._display.shown:
            self._display.show(display_bundle(self._lines, ""))

    def say(self, text: str) -> None:
        self._lines.append(text)

    def draw(self, rows: Sequence[Row]) -> None:
        if self._display.due:
            self._display.show(display_bundle(self._lines, bars(rows), newest=True))


def _write(text: str) -> None:
    # Not by rich, which would wrap the line at the width that it guesses.
    try:
        sys.stdout.write(text + "\n")
    except UnicodeEncodeError as error:  # a name has letters that the output's encoding lacks
        sys.stdout.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding) + "\n")
    sys.stdout.flush()


def make_view(progress: bool | None, console: Console | None = None) -> View | None:
    """The view that suits standard output; None: nothing is shown, or the process has no standard output.

    Parameters
    ----------
    progress
        False: show nothing. None: nothing but in a terminal and a notebook. True: lines elsewhere.
    console
        standard output, as rich knows it; None: found out.
    """
    if progress is False or sys.stdout is None:
        return None
    console = console or Console(force_terminal=is_terminal())
    if console.is_jupyter:
        return NotebookView()
    if not console.is_terminal:
        return LineView() if progress else None
    return LineView() if console.is_dumb_terminal else TerminalView(console)


def is_terminal() -> bool:
    """Whether standard output itself is one: settings for colours everywhere are not meant for bars."""
    # What rich has in its place while there are bars calls itself no terminal, before rich 15.
    stdout = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    try:
        return stdout is not None and stdout.isatty()
    except ValueError:  # it is closed
        return False
