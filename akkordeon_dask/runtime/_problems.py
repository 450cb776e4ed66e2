"""The problems of a network that trains on, and which gates and links are to blame, from its workers' heartbeats."""

import asyncio
import contextlib
import logging
import warnings
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from typing import Any

from distributed import Scheduler

from akkordeon_dask import config
from akkordeon_dask.errors import LostBatchesError, TrainingError
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline

__all__ = ["blame", "watch_problems"]

logger = logging.getLogger(__name__)

_POLL, _FATAL = 2.0, 25.0
"""Seconds between two looks, and for which a link may fail to connect until that is an error."""
_HEARTBEAT = 1.0
"""Seconds, longer than between two heartbeats of a small cluster."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A link that cannot connect, or a gate that stands still."""

    what: tuple[str, ...]
    """Tells it apart."""
    text: str
    fatal: bool
    """It has lasted too long."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What heartbeats say of a network."""

    problems: list[Problem] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    """How far each gate is, and the messages that each link has lost."""


class Problems:
    """The problems as of the last look."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self._warned: set[tuple[str, ...]] = set()

    def set(self, found: list[Problem]) -> None:
        """Take what was found now."""
        self._found = found

    def check(self) -> None:
        """Warn of each problem once.

        Raises
        ------
        TrainingError
            for one that lasts: the network goes on.
        """
        for one in self._found:
            if one.fatal:
                raise TrainingError(f"{one.text}. The network goes on; wait again, or close it")
            if one.what not in self._warned:
                self._warned.add(one.what)
                warnings.warn(one.text, RuntimeWarning, stacklevel=2)


@contextlib.asynccontextmanager
async def watch_problems(session: Session) -> AsyncIterator[Problems]:
    """Look for problems every two seconds, and let those that wait check them. On the client's event loop."""
    problems = Problems()

    async def poll() -> None:
        while True:
            await asyncio.sleep(_POLL)
            problems.set((await _find(session)).problems)
            session.notify_waiters()

    task = asyncio.get_running_loop().create_task(poll())
    try:
        yield problems
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def blame(session: Session, error: LostBatchesError) -> LostBatchesError:
    """The error of a sentinel that lost too many batches, with the gates and links that are to blame."""
    found = await _find(session)
    if not found.figures:  # no heartbeat has come since the gates began
        await asyncio.sleep(_HEARTBEAT)
        found = await _find(session)
    facts = [*(one.text for one in found.problems), *found.figures]
    return LostBatchesError(f"{error}. {'; '.join(facts)}") if facts else error


async def _find(session: Session) -> Findings:
    """What the heartbeats say; nothing where the scheduler does not answer."""
    addresses = {gate.worker for gate in session.gates} | {
        one.worker for attached in session.sentinels.values() for one in attached.actors
    }
    try:
        async with scheduler_deadline(session.client, config.seconds("timeouts.connect")):
            found: Findings = await session.client.run_on_scheduler(_findings, session.name, addresses)
    except Exception as error:
        logger.info("the problems of network %r are not known: %r", session.name, error)
        return Findings()
    return found


def _findings(network: str, addresses: Collection[str], dask_scheduler: Scheduler) -> Findings:
    """On the scheduler: what the last heartbeats of these workers say."""
    found, gates = Findings(), []
    names = {address: f"{worker.name} ({address})" for address, worker in dask_scheduler.workers.items()}
    for address in names.keys() & addresses:
        metrics = dask_scheduler.workers[address].metrics.get(TOPIC) or {}
        gates += [(gate, names[address]) for gate in metrics.get("gates", ()) if gate["network"] == network]
        for link in metrics.get("links", ()):
            if link["peer"] in addresses and link["peer"] in names:
                _add_link(found, names[address], names[link["peer"]], link)
    for gate, worker in sorted(gates, key=lambda one: one[0]["position"]):
        _add_gate(found, gate, worker)
    return found


def _add_link(found: Findings, worker: str, peer: str, link: dict[str, Any]) -> None:
    if failing := link.get("failing", 0.0):
        text = (
            f"worker {worker} cannot connect to worker {peer} since {failing:.0f} s: {link['error']}. Let the port "
            "through, or give that worker a --contact-address that the other one reaches"
        )
        found.problems.append(Problem(("link", worker, peer), text, failing >= _FATAL))
    if link["lost"]:
        found.figures.append(f"the link from {worker} to {peer} has lost {link['lost']:,} messages")


def _add_gate(found: Findings, gate: dict[str, Any], worker: str) -> None:
    if gate.get("stuck"):
        found.problems.append(Problem(("gate", gate["key"]), f"{gate['stuck']} (on worker {worker})", fatal=False))
    done = f"{gate['forwards']:,} samples forward, {gate['backwards']:,} backward"
    found.figures.append(f"gate {gate['name']!r} on {worker} has done {done}, {gate['mailbox']} batches wait for it")
