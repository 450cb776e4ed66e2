"""The names of the sentinels of all networks of a cluster, as the scheduler keeps them: each is taken in one step."""

import logging
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.actors import living_runs
from akkordeon_dask.data import CollectionColumns, ColumnNames
from akkordeon_dask.errors import NameConflictError
from akkordeon_dask.messages import Mode, sentinel_base, sentinel_key_base
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline

__all__ = [
    "Reservation",
    "add_columns",
    "known_columns",
    "living_reservations",
    "release_name",
    "reserve_name",
    "restore_reservation",
]

logger = logging.getLogger(__name__)

_RESERVATIONS = "akkordeon-sentinels"
"""The scheduler's extension that holds them."""


@dataclass(frozen=True)
class Reservation:
    """A name that a client has reserved for a sentinel, from before its actor is created until it is detached.

    It lapses when the client is gone, or wants no actor of this sentinel any more.
    """

    network: str
    run: str
    """Of the network: each deployment under the same name has another."""
    name: str
    """Empty: the scheduler chooses it."""
    mode: Mode
    epochs: int | None
    """Training passes after which it rests, by its spec."""
    client: str
    token: str
    limit: float
    """Seconds within which its actor is created."""
    columns: ColumnNames = ColumnNames()
    """Of the sentinel's data, as far as they are known."""
    known: ColumnNames = ColumnNames()
    """Of other data of the network, when the name was reserved."""

    @property
    def base(self) -> str:
        """The part of its actors' keys that all incarnations share."""
        return sentinel_base(self.network, self.name, self.token)


class _Reservations:
    """On the scheduler's event loop."""

    def __init__(self) -> None:
        self.reservations: dict[str, Reservation] = {}
        self.ends: dict[str, float] = {}
        """When reservations without an actor lapse, in seconds of the monotonic clock."""
        self.columns: dict[str, ColumnNames] = {}
        """Those that networks have trained with, by their run."""


def living_reservations(scheduler: Scheduler) -> dict[str, Reservation]:
    """All reservations that hold now, by token. On the scheduler's event loop."""
    known: _Reservations = scheduler.extensions.setdefault(_RESERVATIONS, _Reservations())
    bases = {
        name: {sentinel_key_base(task.key) for task in scheduler.clients[name].wants_what}
        for name in {reservation.client for reservation in known.reservations.values()}
        if name in scheduler.clients
    }
    for token, reservation in list(known.reservations.items()):
        if reservation.base in bases.get(reservation.client, ()):
            known.ends.pop(token, None)
        elif reservation.client not in bases or time.monotonic() > known.ends.get(token, 0.0):
            del known.reservations[token]
            known.ends.pop(token, None)
    return known.reservations


def known_columns(run: str, dask_scheduler: Scheduler) -> ColumnNames:
    """The names of columns that a network has trained with, or whose data its sentinels read now."""
    its = [one for one in living_reservations(dask_scheduler).values() if one.run == run]
    found: ColumnNames = dask_scheduler.extensions[_RESERVATIONS].columns.get(run, ColumnNames())
    for one in its:
        found = found.joined(one.columns)
    return found


def add_columns(
    token: str, run: str, columns: ColumnNames, trained: ColumnNames, dask_scheduler: Scheduler
) -> ColumnNames:
    """On the scheduler: name the columns of a sentinel's data, if they fit; returns those that were known before.

    Parameters
    ----------
    trained
        those that the network has trained with; networks that have ended are forgotten.
    """
    known = known_columns(run, dask_scheduler)
    its: _Reservations = dask_scheduler.extensions[_RESERVATIONS]
    if not columns.fits(known):
        return known
    if token in its.reservations:
        its.reservations[token] = replace(its.reservations[token], columns=columns)
    for other in its.columns.keys() - living_runs(dask_scheduler):
        del its.columns[other]
    its.columns[run] = its.columns.get(run, ColumnNames()).joined(trained)
    return known


def _columns(sentinel: Sentinel) -> ColumnNames:
    """Those that are known before the data are read, and that other data of the network have to have."""
    if sentinel.mode == "predict":
        return ColumnNames()
    columns = getattr(sentinel.provider, "columns", None)
    return columns.names if isinstance(columns, CollectionColumns) else ColumnNames.said(columns)


def _reserve(requested: Reservation, gates: Collection[str], dask_scheduler: Scheduler) -> Reservation:
    """On the scheduler: take a name; returns the reservation, or the one that holds the name already."""
    reservations = living_reservations(dask_scheduler)
    mine = [reservation for reservation in reservations.values() if reservation.network == requested.network]
    if not requested.name:
        # Nor the name of a sentinel that is left over from an earlier run: it still reports under it.
        taken = {*gates, *(reservation.name for reservation in mine)}
        name = next(name for number in count() if (name := f"{requested.mode}{number}") not in taken)
        requested = replace(requested, name=name)
    for reservation in mine:
        if (reservation.run, reservation.name) == (requested.run, requested.name):
            return reservation
    known = known_columns(requested.run, dask_scheduler)
    reservations[requested.token] = requested = replace(requested, known=known)
    dask_scheduler.extensions[_RESERVATIONS].ends[requested.token] = time.monotonic() + requested.limit
    return requested


def _release(token: str, dask_scheduler: Scheduler) -> None:
    living_reservations(dask_scheduler).pop(token, None)


def _conflict(network: str, name: str, whose: str) -> NameConflictError:
    return NameConflictError(
        f"network {network!r} has a sentinel {name!r} already, attached by {whose}: detach it, or choose another name"
    )


async def reserve_name(
    client: Client, network: str, run: str, gates: Collection[str], sentinel: Sentinel, own: Collection[str] = ()
) -> Reservation:
    """Reserve the sentinel's own name, or its mode and the first number that is free among all clients.

    Parameters
    ----------
    network, run
        the name and the run of its `NetworkEntry`.
    gates
        names that no sentinel may have.
    own
        those of this client's sentinels, which a new scheduler learns later.

    Raises
    ------
    NameConflictError
        when another sentinel, or a gate, has its name: names the client that attached it.
    DataError
        when the columns of its data are not those of the network's other data.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    if sentinel.name in gates:
        raise NameConflictError(f"network {network!r} has a gate {sentinel.name!r}: give the sentinel another name")
    if sentinel.name is not None and sentinel.name in own:
        raise _conflict(network, sentinel.name, "this client")
    limit = config.seconds("timeouts.load") + config.seconds("timeouts.control")
    name, token = sentinel.name or "", uuid.uuid4().hex[:8]
    columns = _columns(sentinel)
    requested = Reservation(network, run, name, sentinel.mode, sentinel.epochs, client.id, token, limit, columns)
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            reservation: Reservation = await finished(client.run_on_scheduler(_reserve, requested, {*gates, *own}))
    except BaseException:  # it may have been taken
        await release_name(client, requested.token)
        raise
    if reservation.token != requested.token:
        whose = "this client" if reservation.client == client.id else f"client {reservation.client}"
        raise _conflict(network, reservation.name, whose)
    if not columns.fits(reservation.known):
        await release_name(client, token)
        columns.check(f"sentinel {reservation.name!r}", reservation.known)
    return reservation


async def restore_reservation(client: Client, reservation: Reservation) -> None:
    """Reserve a name again where the scheduler has forgotten it. No error when it does not answer."""
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            await client.run_on_scheduler(_reserve, reservation, ())
    except Exception as error:
        logger.info("the name of sentinel %r is not reserved: %r", reservation.name, error)


async def release_name(client: Client, token: str) -> None:
    """Free the name. No error when the scheduler does not answer: the reservation lapses then."""
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.close")):
            await client.run_on_scheduler(_release, token)
    except Exception as error:
        logger.info("the name of a sentinel lapses later: %r", error)
