"""The operations that only the owner of a network may do with its gates."""

import asyncio
import dataclasses
import itertools
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import NoReturn

from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask.errors import (
    CheckpointError,
    ClosedError,
    DeploymentError,
    NameConflictError,
    SchedulerLostError,
    WorkerLostError,
)
from akkordeon_dask.network import Beside, Gate, Network
from akkordeon_dask.placement import WorkerInfo
from akkordeon_dask.runtime._events import announce_network
from akkordeon_dask.runtime._lease import find_successor
from akkordeon_dask.runtime._recovery_policy import RecoveryPolicy
from akkordeon_dask.runtime._registry import NetworkEntry, check_lease, get, publish
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._plan import make_plan
from akkordeon_dask.runtime.cluster._queries import ask_workers, ping, scheduler_id
from akkordeon_dask.runtime.cluster._retry import retry
from akkordeon_dask.runtime.cluster._workers import add_tasks, drains, list_workers
from akkordeon_dask.runtime.handles._gate import GateHandle, Incarnation
from akkordeon_dask.runtime.handles._links import UnreachableError, check_links, neighbours
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from akkordeon_dask.runtime.recovery._gate_factory import GateFactory, wire
from akkordeon_dask.runtime.recovery._rewiring import Rewiring
from akkordeon_dask.runtime.recovery._sentinel_placement import current_name
from akkordeon_dask.snapshots import Lease, SupersededError, last_generation, superseded_text

__all__ = ["OwnerPolicy"]

logger = logging.getLogger(__name__)

_LEASE, _PING_SHARE = 2.0, 8


class OwnerPolicy(RecoveryPolicy):
    """Chooses workers for gates, and puts new incarnations of gates in place. On the client's event loop.

    A lock lets it do one thing at a time.
    """

    moves = True

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ownership = session.entry.ownership
        """The network's, as long as this client is its owner; the session's entry may become that of another one."""
        self._renewed_as = session.entry.generation
        """The generation of which `renewed` has told."""
        self.rewiring = Rewiring(session, self.require_ownership)
        self.lock = asyncio.Lock()
        self.lease: Lease | None = None
        """On the URL of the snapshots."""
        self._checking = asyncio.Lock()
        """Held while it is checked that this client owns the network, or the network is published again."""
        self._scheduler: str | None = None
        """The scheduler's process that knows the network."""
        self.superseded: Callable[[], None] | None = None
        """Called when another owner was first to resume the network on a new scheduler: this one follows it."""
        self.keep_cut: Callable[[], Awaitable[Mapping[str, int]]] | None = None
        """Writes a consistent cut of the network; None: it keeps no snapshots."""
        self.renewed: list[Callable[[], object]] = []
        """Called when this client owns the network with a new generation."""
        self.unresponsive: set[str] = set()
        """Workers that did not answer the last question."""
        self.hanging: set[str] = set()
        """Workers on which the computation of a gate hangs: they get no new gate."""
        self.known_updates: dict[str, int] = {}
        """The last known updates of each gate, by name."""
        self.tried_all = False
        """No worker is left that was not tried: a gate goes where some sentinel does not reach it."""
        self.late: set[str] = set()
        """Workers that did not create a gate in time: they are not chosen again before another one is created."""

    @property
    def factory(self) -> GateFactory:
        """Creates gates of the owner's present generation."""
        session = self.session
        return GateFactory(session.client, session.network, session.entry)

    async def require_ownership(self) -> None:
        """Check that this client still owns the network: one that was stopped and wakes may not.

        A scheduler that was started again knows no network: there the first owner resumes, the others follow it.

        Raises
        ------
        ClosedError
            when another client owns it.
        CheckpointError
            when it is on a new scheduler, and its snapshots cannot be read.
        """
        session = self.session
        if not session.published:
            return
        async with self._checking:
            now = await self._published_entry()
            # Another task may have found that entry before: the generation is new to those who are told, too.
            if now.generation > self._renewed_as:
                self._renew(now.generation)

    async def _published_entry(self) -> NetworkEntry:
        """The entry of this client's network, which it publishes again as often as the scheduler is another one."""
        client = self.session.client
        scheduler = self._scheduler or await scheduler_id(client)
        while True:
            try:
                now = await check_lease(client, self.session.name, self.ownership, self._renewed_as)
            except ClosedError:
                known, scheduler = scheduler, await scheduler_id(client)
                if known == scheduler:
                    raise
                await self._publish_again()
            else:
                self._scheduler = scheduler
                return now

    async def require_lease(self) -> None:
        """Check that no later owner has taken the snapshots over.

        Raises
        ------
        SupersededError
            when one has: names it.
        """
        successor = await find_successor(self.lease)
        if successor is not None:
            raise SupersededError(superseded_text(successor.url, successor))

    async def _publish_again(self) -> None:
        """Publish the network on a new scheduler, with a generation above all that has written to its folder."""
        session = self.session
        if not self.restarts:
            await session.scheduler_loss.survive(SchedulerLostError("the scheduler was started again"))
            raise session.scheduler_loss.error or SchedulerLostError(
                f"the scheduler was started again: network {session.name!r} is lost, deploy it again"
            )
        successor = await find_successor(self.lease)
        if successor is not None and successor.run == session.entry.run:
            self._follow(f"{successor} owns the snapshots of network {session.name!r}")
        if successor is not None:
            raise ClosedError(superseded_text(successor.url, successor))
        generation = 1 + max(session.entry.generation, await offload(_last_generation, session.entry, session.network))
        entry = dataclasses.replace(
            session.entry, owner=session.client.id, ownership=self.ownership, generation=generation
        )
        try:
            await publish(session.client, entry, session.network, session.gates)
        except NameConflictError as taken:
            await self._give_way(taken)
        settings = {"seed": entry.seed, "generation": generation}
        await announce_network(session.client, session.name, session.network, session.gates, settings)

    async def _give_way(self, taken: NameConflictError) -> None:
        """Follow the owner who has published this run before, if it is this run.

        Raises
        ------
        ClosedError
            in any case: this client does not own the network.
        """
        session = self.session
        other = await get(session.client, session.name)
        if other is None or other.run != session.entry.run:
            run, where = session.entry.run[:12], session.entry.snapshots and session.entry.snapshots.url
            raise ClosedError(
                f"the scheduler was started again, and another program was first: {taken}. Run {run} ends here, its "
                f"snapshots are in {where}: deploy(..., resume={where!r}) with another name resumes it"
            ) from taken
        if other.ownership == self.ownership:
            return
        self._follow(f"client {other.owner} was first to resume network {session.name!r} on the new scheduler")

    def _follow(self, text: str) -> NoReturn:
        if self.superseded is not None:
            logger.warning("%s: this program follows it", text)
            self.superseded()
        raise ClosedError(text)

    def _renew(self, generation: int) -> None:
        """Own the network with another generation: batches of a former one are dropped wherever they arrive."""
        session = self.session
        session.entry = dataclasses.replace(session.entry, generation=generation)
        self._renewed_as = generation
        for call in self.renewed:
            call()

    async def watch_lease(self) -> None:
        """Check every two seconds that this client still owns the network. Runs until it does not.

        Raises
        ------
        ClosedError
            then.
        """
        while True:
            try:
                await self.require_ownership()
            except (OSError, CheckpointError) as error:  # a scheduler that does not answer knows of no other owner
                logger.info("the owner of network %r is not known: %r", self.session.name, error)
            await asyncio.sleep(_LEASE)

    async def take_over(self, lost: Mapping[GateHandle, Incarnation]) -> None:
        """Wire all gates of a network that had another owner; restart those that are lost.

        Raises
        ------
        AkkordeonError
            when that cannot be done within `supervision.wait`.
        """
        name = self.session.name
        for gate, incarnation in lost.items():
            error = WorkerLostError(f"{gate.label} was lost while network {name!r} had no owner")
            await self.gate_lost(gate, incarnation, error)
        if lost:  # the restart has wired all gates
            return
        # A gate that is lost just now is restarted by its watch, if the network keeps snapshots.
        wait = config.seconds("supervision.wait") if self.restarts else 0.0
        end = asyncio.get_running_loop().time() + wait
        await retry(self._wire_all, f"taking over network {name!r}", end=end)

    async def _wire_all(self) -> None:
        self.session.check()
        async with self.lock:
            await self.install({})

    async def install(self, fresh: Mapping[int, GateHandle]) -> None:
        """Put new incarnations in place, by position: wire all gates, publish them, and rewire all sentinels."""
        session = self.session
        gates = [fresh.get(position, gate) for position, gate in enumerate(session.gates)]
        patience = config.seconds("supervision.patience")
        generation = session.entry.generation
        await wire(gates, list(fresh.values()), generation, patience)
        new = set(fresh.values())  # all have answered: a link that fails now is blocked
        await check_links(session.client, [route for route in neighbours(gates) if not new.isdisjoint(route)])
        await self._check_sentinels(new)
        for position, gate in fresh.items():
            session.gates[position].replace_actor(gate)
        while session.entry.generation > generation:  # it was renewed meanwhile, as on a new scheduler
            generation = session.entry.generation
            await wire(session.gates, [], generation, patience)
        if session.published:
            await publish(session.client, session.entry, session.network, session.gates, again=True)
        await self.rewiring.broadcast(later=self.unresponsive)

    async def _check_sentinels(self, gates: Collection[GateHandle]) -> None:
        """Try the links between gates and this client's sentinels, without those whose worker does not answer.

        Raises
        ------
        UnreachableError
            when there is one that cannot connect, unless all workers were tried: then it is told only.
        """
        session, limit = self.session, config.seconds("supervision.patience") / _PING_SHARE
        alone = [one for one in session.sentinels.values() if isinstance(one, AttachedSentinel)]
        sentinels = [one for one in alone if any(gate.worker != one.worker for gate in gates)]
        answers = await ask_workers(session.client, ping, {one.worker for one in sentinels}, limit)
        routes = list(itertools.product([one for one in sentinels if one.worker in answers], gates))
        try:
            await check_links(session.client, [*routes, *((gate, sentinel) for sentinel, gate in routes)])
        except UnreachableError as error:
            if not self.tried_all:
                raise
            logger.warning("%s", error)

    async def choose_workers(self, gates: Sequence[GateHandle], avoid: Collection[str] = ()) -> dict[int, str]:
        """Choose workers for these gates by placement, with all others where they are; by position.

        None is one of those to `avoid`, or shuts down, is paused or was late: a gate that asks for such a worker goes
        where there is room.
        """
        session = self.session
        workers = await list_workers(session.client)
        await self._ask({worker.address for worker in workers})
        leaving = {*avoid, *session.draining_workers, *self.hanging}
        shunned = leaving | {worker.address for worker in workers if worker.paused}
        if any(worker.address not in {*shunned, *self.late, *self.unresponsive} for worker in workers):
            leaving, shunned = leaving | self.late, shunned | self.late

        def pinned(spec: Gate, handle: GateHandle) -> Gate:
            if handle not in gates:  # one that has to leave as well is placed somewhere for now
                at = None if handle.worker in shunned else handle.worker
                return dataclasses.replace(spec, workers=at, resources={})
            return dataclasses.replace(spec, workers=self._requested(spec, workers, shunned, forced=bool(avoid)))

        network = Network(list(map(pinned, session.network, session.gates)))
        patience = config.seconds("supervision.patience")
        plan = await make_plan(network, session.client, patience, {*self.unresponsive, *leaving})
        names = {gate.name for gate in gates}
        return {position: placed.address for position, placed in enumerate(plan) if placed.gate in names}

    def _requested(
        self, spec: Gate, workers: Sequence[WorkerInfo], shunned: Collection[str], *, forced: bool
    ) -> str | Beside | None:
        """The worker that a gate asks for, unless all that this means are shunned."""
        requested = spec.workers
        if not isinstance(requested, str):
            return requested
        requested = current_name(requested, workers, self.session.worker_names)
        meant = [one.address for one in workers if requested in (one.name, one.address, one.host)]
        return None if (meant or forced) and set(shunned).issuperset(meant) else requested

    async def _ask(self, workers: Collection[str]) -> None:
        """Find the unresponsive ones, which the scheduler may not miss yet, and those that do not drain any more."""
        limit = config.seconds("supervision.patience") / _PING_SHARE
        answers = await ask_workers(self.session.client, drains, workers, limit)
        self.unresponsive = set(workers).difference(answers)
        self.session.draining_workers.difference_update(worker for worker, leaves in answers.items() if not leaves)

    async def create(self, workers: Mapping[int, str], cut: str | None = None) -> list[GateHandle]:
        """Create lost gates from their snapshots, or their parts of a cut, on workers that were chosen for them.

        Raises
        ------
        AkkordeonError
            when that is not possible; a worker that was late is not chosen again where there is another one.
        """
        others = [
            worker for worker in await list_workers(self.session.client) if worker.address not in workers.values()
        ]
        free = [worker for worker in await add_tasks(others, self.session.client) if not (worker.busy or worker.paused)]
        source = self.session.entry.snapshots
        if source is not None and cut is not None:
            source = dataclasses.replace(source, cut=cut)
        try:
            gates = await self.factory.create(workers, restore=source, must=cut is not None, insist=not free)
        except DeploymentError:
            self.late.update(workers.values())
            raise
        self.late.clear()
        return gates


def _last_generation(entry: NetworkEntry, network: Network) -> int:
    """The highest generation of what was written to the folder of a run, and of the runs beside it."""
    assert entry.snapshots is not None
    store = entry.snapshots.store()
    return max(last_generation(entry.snapshots.url), *(store.generation(name) for name in network.names))
