"""Show the passes of a running network: a live table on a terminal, lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from akkordeon_dask.messages import PassReport
from akkordeon_dask.monitor._lines import pass_line
from akkordeon_dask.monitor._passes import passes
from akkordeon_dask.monitor._table import PassTable
from akkordeon_dask.runtime import Running

__all__ = ["shown", "watch"]


def watch(running: Running, epochs: int | None = None, *, console: Console | None = None) -> tuple[PassReport, ...]:
    """`running.wait(epochs)` with something to look at: shows each pass as it ends.

    Parameters
    ----------
    running
        the network, of a synchronous client.
    epochs
        passes that each training sentinel makes from now on; None: as many as it was attached for.
    console
        where to; None: standard output.

    Returns
    -------
    tuple of PassReport
        the history.

    Raises
    ------
    AkkordeonError
        what `running.wait` raises.
    """
    with shown(running, console or Console(), epochs) as show:
        for report in passes(running, epochs):
            show(report)
    return running.history


@contextmanager
def shown(running: Running, console: Console, epochs: int | None = None) -> Iterator[Callable[[PassReport], None]]:
    """Give the function that shows a pass; a table is live until the end of the context and stays as it is then."""
    if not console.is_terminal:
        yield lambda report: _write(console, report)
        return
    table = PassTable({name: attached.sentinel for name, attached in running.sentinels.items()}, epochs)
    with Live(table, console=console):
        yield table.add


def _write(console: Console, report: PassReport) -> None:
    # Past rich: it would wrap the line at the width that it guesses.
    console.file.write(pass_line(report) + "\n")
    console.file.flush()
