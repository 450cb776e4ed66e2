"""Whether the workers of a network reach each other."""

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import AkkordeonError, DeploymentError
from akkordeon_dask.runtime.cluster._queries import while_known
from akkordeon_dask.runtime.handles._actor_handle import ActorHandle

__all__ = ["UnreachableError", "check_links", "neighbours"]

logger = logging.getLogger(__name__)

_ANSWER = 2.0
"""Seconds for an actor's answer beside those in which it tries to connect."""

Route = tuple[ActorHandle[Any], ActorHandle[Any]]
"""An actor that sends messages, and the one that gets them."""


class UnreachableError(DeploymentError):
    """Workers of a network cannot connect to each other.

    Parameters
    ----------
    workers
        the addresses of both sides of each link.
    """

    def __init__(self, text: str, workers: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.workers = frozenset(workers)


def neighbours(gates: Sequence[ActorHandle[Any]]) -> list[Route]:
    """The routes of a network: each gate sends to the one behind it, and that one back."""
    pairs = list(itertools.pairwise(gates))
    return [*pairs, *((behind, front) for front, behind in pairs)]


async def check_links(client: Client, routes: Iterable[Route]) -> None:
    """Try each link that these routes need, within `timeouts.connect`.

    An actor that does not answer tells nothing, nor does one whose peer is gone meanwhile.

    Raises
    ------
    UnreachableError
        when a worker cannot connect to another one: names both.
    """
    senders: dict[str, ActorHandle[Any]] = {}
    peers: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for sender, receiver in routes:
        if sender.worker != receiver.worker:
            senders.setdefault(sender.worker, sender)
            peers[sender.worker].setdefault(receiver.worker, f"{sender.label} to {receiver.label}")
    tries = {
        worker: (_try(sender, tuple(peers[worker])), {worker, *peers[worker]}) for worker, sender in senders.items()
    }
    answers = await while_known(client, tries)
    broken = [(worker, peer, why) for worker, errors in answers.items() for peer, why in errors.items()]
    if broken:
        text = "; ".join(f"{peers[worker][peer]}: {why}" for worker, peer, why in broken)
        raise UnreachableError(
            f"workers cannot connect to each other: {text}. Let these ports through, or start the workers with a "
            "--contact-address that the others reach",
            {address for worker, peer, _ in broken for address in (worker, peer)},
        )


async def _try(sender: ActorHandle[Any], peers: tuple[str, ...]) -> dict[str, str]:
    limit = config.seconds("timeouts.connect")
    try:
        async with asyncio.timeout(limit + _ANSWER):
            return await sender.poll(limit, GateActor.try_links, peers)
    except (AkkordeonError, TimeoutError) as error:  # whoever watches the actor tells what is wrong with it
        logger.info("the links of %s are not known: %s", sender.label, error)
        return {}
