"""The names of the columns of a network's data: those that it trains with are those of all others."""

from akkordeon_dask import config
from akkordeon_dask.data import ColumnNames
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.handles._attached_handle import Attached
from akkordeon_dask.runtime.handles._sentinel_names import add_columns, known_columns

__all__ = ["check_columns", "name_columns"]


async def name_columns(session: Session, attached: Attached, columns: ColumnNames) -> None:
    """Let others know the columns of a sentinel's data, on a new scheduler again. Where it trains, they stay.

    Raises
    ------
    DataError
        when the network's data have others by now.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    if columns == ColumnNames() or attached.sentinel.mode == "predict":
        return
    trained = session.columns.joined(columns) if attached.sentinel.mode == "train" else session.columns
    client, facts = session.client, (attached.reservation.token, session.entry.run, columns, trained)
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        known: ColumnNames = await finished(client.run_on_scheduler(add_columns, *facts))
    columns.check(attached.label, known)
    session.columns = trained


async def check_columns(session: Session, label: str, columns: ColumnNames) -> None:
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
    client = session.client
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        known: ColumnNames = await finished(client.run_on_scheduler(known_columns, session.entry.run))
    columns.check(label, session.columns.joined(known))
