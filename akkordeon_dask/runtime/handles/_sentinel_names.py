"""The names of the sentinels of all networks of a cluster, as the scheduler keeps them: each is taken in one step."""

import logging
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.data import ColumnNames
from akkordeon_dask.errors import NameConflictError
from akkordeon_dask.messages import Mode, sentinel_base, sentinel_key_base
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.handles._column_names import known_columns

__all__ = ["Claim", "claim_name", "living_claims", "release_name", "restore_claim"]

logger = logging.getLogger(__name__)

_CLAIMS = "akkordeon-sentinels"
"""The scheduler's extension that holds them."""


@dataclass(frozen=True)
class Claim:
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
    """Of earlier data of the network."""

    @property
    def base(self) -> str:
        """The part of its actors' keys that all incarnations share."""
        return sentinel_base(self.network, self.name, self.token)


class _Claims:
    """On the scheduler's event loop."""

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}
        self.ends: dict[str, float] = {}
        """When claims without an actor lapse, in seconds of the monotonic clock."""


def living_claims(scheduler: Scheduler) -> dict[str, Claim]:
    """All claims that hold now, by token. On the scheduler's event loop."""
    known: _Claims = scheduler.extensions.setdefault(_CLAIMS, _Claims())
    bases = {
        name: {sentinel_key_base(task.key) for task in scheduler.clients[name].wants_what}
        for name in {claim.client for claim in known.claims.values()}
        if name in scheduler.clients
    }
    for token, claim in list(known.claims.items()):
        if claim.base in bases.get(claim.client, ()):
            known.ends.pop(token, None)
        elif claim.client not in bases or time.monotonic() > known.ends.get(token, 0.0):
            del known.claims[token]
            known.ends.pop(token, None)
    return known.claims


def _claim(requested: Claim, gates: Collection[str], dask_scheduler: Scheduler) -> Claim:
    """On the scheduler: take a name; returns the claim, or the one that holds the name already."""
    claims = living_claims(dask_scheduler)
    mine = [claim for claim in claims.values() if claim.network == requested.network]
    if not requested.name:
        # Nor the name of a sentinel that is left over from an earlier run: it still reports under it.
        taken = {*gates, *(claim.name for claim in mine)}
        name = next(name for number in count() if (name := f"{requested.mode}{number}") not in taken)
        requested = replace(requested, name=name)
    for claim in mine:
        if (claim.run, claim.name) == (requested.run, requested.name):
            return claim
    claims[requested.token] = requested = replace(requested, columns=known_columns(requested.run, dask_scheduler))
    dask_scheduler.extensions[_CLAIMS].ends[requested.token] = time.monotonic() + requested.limit
    return requested


def _release(token: str, dask_scheduler: Scheduler) -> None:
    living_claims(dask_scheduler).pop(token, None)


async def claim_name(client: Client, network: str, run: str, gates: Collection[str], sentinel: Sentinel) -> Claim:
    """Reserve the sentinel's own name, or its mode and the first number that is free among all clients.

    Parameters
    ----------
    network, run
        the name and the run of its `NetworkEntry`.
    gates
        names that no sentinel may have.

    Raises
    ------
    NameConflictError
        when another sentinel, or a gate, has its name: names the client that attached it.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    if sentinel.name in gates:
        raise NameConflictError(f"network {network!r} has a gate {sentinel.name!r}: give the sentinel another name")
    limit = config.seconds("timeouts.load") + config.seconds("timeouts.control")
    name, token = sentinel.name or "", uuid.uuid4().hex[:8]
    requested = Claim(network, run, name, sentinel.mode, sentinel.epochs, client.id, token, limit)
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            claim: Claim = await finished(client.run_on_scheduler(_claim, requested, gates))
    except BaseException:  # it may have been taken
        await release_name(client, requested.token)
        raise
    if claim.token != requested.token:
        whose = "this client" if claim.client == client.id else f"client {claim.client}"
        raise NameConflictError(
            f"network {network!r} has a sentinel {claim.name!r} already, attached by {whose}: detach it, or choose "
            "another name"
        )
    return claim


async def restore_claim(client: Client, claim: Claim) -> None:
    """Reserve a name again where the scheduler has forgotten it. No error when it does not answer."""
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            await client.run_on_scheduler(_claim, claim, ())
    except Exception as error:
        logger.info("the name of sentinel %r is not reserved: %r", claim.name, error)


async def release_name(client: Client, token: str) -> None:
    """Free the name. No error when the scheduler does not answer: the claim lapses then."""
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.close")):
            await client.run_on_scheduler(_release, token)
    except Exception as error:
        logger.info("the name of a sentinel lapses later: %r", error)
