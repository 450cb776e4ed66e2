"""The names of the sentinels of all networks of a cluster, as the scheduler keeps them: each is taken in one step."""

import dataclasses
import logging
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.errors import NameConflictError
from akkordeon_dask.messages import Mode
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["Claim", "claim_name", "key_base", "key_token", "living_claims", "release_name"]

logger = logging.getLogger(__name__)

_CLAIMS = "akkordeon-sentinels"
"""The scheduler's extension that holds them."""


@dataclass(frozen=True)
class Claim:
    """A name that a client has for a sentinel, from before its actor is made until it is detached.

    It lapses when the client is gone, or asks for no actor of this sentinel any more.
    """

    network: str
    run: str
    """Of the network: one that is deployed anew under the same name has another."""
    name: str
    """Empty where the scheduler is to choose it."""
    mode: Mode
    epochs: int | None
    """Training passes after which it rests, as it was written."""
    client: str
    token: str
    limit: float
    """Seconds within which its actor is made."""

    @property
    def base(self) -> str:
        """What the keys of all its actors begin with: it may be made anew."""
        return f"akkordeon-{self.network}-{self.name}-{self.token}"


def key_base(key: object) -> str:
    """The part of an actor's key that all lives of a sentinel have in common; see `make_sentinel`."""
    return str(key).rpartition("-")[0]


def key_token(key: object) -> str:
    """The token of the claim that an actor's key belongs to; empty where it has none."""
    return key_base(key).rpartition("-")[2]


class _Claims:
    """On the scheduler's event loop."""

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}
        self.ends: dict[str, float] = {}
        """When those lapse whose actor was not seen yet, in seconds of the monotonic clock."""


def living_claims(scheduler: Scheduler) -> dict[str, Claim]:
    """All names that are taken now, by token. On the scheduler's event loop."""
    there: _Claims = scheduler.extensions.setdefault(_CLAIMS, _Claims())
    bases = {
        name: {key_base(task.key) for task in scheduler.clients[name].wants_what}
        for name in {claim.client for claim in there.claims.values()}
        if name in scheduler.clients
    }
    for token, claim in list(there.claims.items()):
        if claim.base in bases.get(claim.client, ()):
            there.ends.pop(token, None)
        elif claim.client not in bases or time.monotonic() > there.ends.get(token, 0.0):
            del there.claims[token]
            there.ends.pop(token, None)
    return there.claims


def _claim(wish: Claim, gates: Collection[str], dask_scheduler: Scheduler) -> Claim:
    """On the scheduler: take a name; gives the claim, or that of who has the name."""
    claims = living_claims(dask_scheduler)
    mine = [claim for claim in claims.values() if claim.network == wish.network]
    if not wish.name:
        # Not the name of one that is left over from a former run either: it still says what it does.
        taken = {*gates, *(claim.name for claim in mine)}
        name = next(name for number in count() if (name := f"{wish.mode}{number}") not in taken)
        wish = dataclasses.replace(wish, name=name)
    for claim in mine:
        if (claim.run, claim.name) == (wish.run, wish.name):
            return claim
    claims[wish.token] = wish
    dask_scheduler.extensions[_CLAIMS].ends[wish.token] = time.monotonic() + wish.limit
    return wish


def _release(token: str, dask_scheduler: Scheduler) -> None:
    living_claims(dask_scheduler).pop(token, None)


async def claim_name(session: "Session", sentinel: Sentinel) -> Claim:
    """Take the sentinel's own name for it, or its mode and the first number that is free among all clients.

    Raises
    ------
    NameConflictError
        when another sentinel, or a gate, has its name: names the client that attached it.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    client, gates, network = session.client, session.network.names, session.name
    if sentinel.name in gates:
        raise NameConflictError(f"network {network!r} has a gate {sentinel.name!r}: give the sentinel another name")
    limit = config.seconds("timeouts.load") + config.seconds("timeouts.control")
    name, token = sentinel.name or "", uuid.uuid4().hex[:8]
    wish = Claim(network, session.run, name, sentinel.mode, sentinel.epochs, client.id, token, limit)
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            claim: Claim = await client.run_on_scheduler(_claim, wish, gates)
    except BaseException:  # it may have been taken
        await release_name(client, wish.token)
        raise
    if claim.token != wish.token:
        whose = "this client" if claim.client == client.id else f"client {claim.client}"
        raise NameConflictError(
            f"network {network!r} has a sentinel {claim.name!r} already, attached by {whose}: detach it, or choose "
            "another name"
        )
    return claim


async def release_name(client: Client, token: str) -> None:
    """Let others have the name. No error where the scheduler does not answer: the name lapses then."""
    if not token:
        return
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.close")):
            await client.run_on_scheduler(_release, token)
    except Exception as error:
        logger.info("the name of a sentinel lapses later: %r", error)
