"""The names of the columns of a network's data, as the scheduler keeps them: the first data that have some set them."""

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.actors import living_runs
from akkordeon_dask.data import ColumnNames
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline

__all__ = ["add_columns", "check_columns", "known_columns"]

_COLUMNS = "akkordeon-columns"
"""The scheduler's extension that holds them, by run."""


def known_columns(run: str, dask_scheduler: Scheduler) -> ColumnNames:
    """The names that data of a network have had. On the scheduler's event loop."""
    known: dict[str, ColumnNames] = dask_scheduler.extensions.setdefault(_COLUMNS, {})
    return known.get(run, ColumnNames())


def _add(run: str, columns: ColumnNames, dask_scheduler: Scheduler) -> ColumnNames:
    """On the scheduler: add names where there are none; returns those there are. Ended networks are forgotten."""
    now = known_columns(run, dask_scheduler).joined(columns)
    known, living = dask_scheduler.extensions[_COLUMNS], living_runs(dask_scheduler)
    for other in known.keys() - living:
        del known[other]
    known[run] = now
    return now


async def add_columns(client: Client, run: str, label: str, columns: ColumnNames) -> None:
    """Make the names of some data those of their network, where it has none.

    Raises
    ------
    DataError
        when it has others by now.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        known: ColumnNames = await finished(client.run_on_scheduler(_add, run, columns))
    columns.check(label, known)


async def check_columns(client: Client, run: str, label: str, columns: ColumnNames) -> None:
    """Check that some data have the columns of their network.

    Raises
    ------
    DataError
        when they have others.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    if columns == ColumnNames():
        return
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        known: ColumnNames = await finished(client.run_on_scheduler(known_columns, run))
    columns.check(label, known)
