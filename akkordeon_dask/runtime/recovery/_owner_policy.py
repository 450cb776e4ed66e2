"""The operations that only the owner of a network may do with its gates."""

import asyncio
import dataclasses
import logging
from collections.abc import Collection, Mapping, Sequence

from akkordeon_dask import config
from akkordeon_dask.errors import DeploymentError, WorkerLostError
from akkordeon_dask.network import Beside, Gate, Network
from akkordeon_dask.placement import WorkerInfo
from akkordeon_dask.runtime._recovery_policy import RecoveryPolicy
from akkordeon_dask.runtime._registry import check_lease, publish
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._plan import make_plan
from akkordeon_dask.runtime.cluster._queries import ask_workers
from akkordeon_dask.runtime.cluster._retry import retry
from akkordeon_dask.runtime.cluster._workers import add_tasks, drains, list_workers
from akkordeon_dask.runtime.handles._gate import GateHandle, Incarnation
from akkordeon_dask.runtime.recovery._gate_factory import GateFactory, wire
from akkordeon_dask.runtime.recovery._rewiring import Rewiring
from akkordeon_dask.runtime.recovery._sentinels import current_name

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
        self.factory = GateFactory(session.client, session.network, session.entry)
        self.rewiring = Rewiring(session, session.entry.generation, self.require_ownership)
        self.lock = asyncio.Lock()
        self.unresponsive: set[str] = set()
        """Workers that did not answer the last question."""
        self.late: set[str] = set()
        """Workers that did not create a gate in time: they are not chosen again before another one is created."""

    async def require_ownership(self) -> None:
        """Check that this client still owns the network: one that was stopped and wakes may not.

        Raises
        ------
        ClosedError
            when another client owns it.
        """
        if self.session.published:
            await check_lease(self.session.client, self.session.entry)

    async def watch_lease(self) -> None:
        """Check every two seconds that this client still owns the network. Runs until it does not.

        Raises
        ------
        ClosedError
            then.
        """
        while True:
            await asyncio.sleep(_LEASE)
            try:
                await self.require_ownership()
            except OSError as error:  # the scheduler does not answer: it knows of no other owner either
                logger.info("the owner of network %r is not known: %r", self.session.name, error)

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
        await wire(gates, list(fresh.values()), session.entry.generation, patience)
        for position, gate in fresh.items():
            session.gates[position].replace_actor(gate)
        if session.published:
            await publish(session.client, session.entry, session.network, session.gates, again=True)
        await self.rewiring.broadcast(later=self.unresponsive)

    async def choose_workers(self, gates: Sequence[GateHandle], avoid: Collection[str] = ()) -> dict[int, str]:
        """Choose workers for these gates by placement, with all others where they are; by position.

        None is one of those to `avoid`, or shuts down, is paused or was late: a gate that asks for such a worker goes
        where there is room.
        """
        session = self.session
        workers = await list_workers(session.client)
        await self._check_workers({worker.address for worker in workers})
        leaving = {*avoid, *session.draining_workers}
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

    async def _check_workers(self, workers: Collection[str]) -> None:
        """Find the unresponsive ones, which the scheduler may not miss yet, and those that do not drain any more."""
        limit = config.seconds("supervision.patience") / _PING_SHARE
        answers = await ask_workers(self.session.client, drains, workers, limit)
        self.unresponsive = set(workers).difference(answers)
        leaving = self.session.draining_workers
        leaving.intersection_update(worker for worker in workers if answers.get(worker, True))

    async def create(self, workers: Mapping[int, str]) -> list[GateHandle]:
        """Create lost gates from their snapshots, on workers that were chosen for them.

        Raises
        ------
        AkkordeonError
            when that is not possible; a worker that was late is not chosen again where there is another one.
        """
        others = [
            worker for worker in await list_workers(self.session.client) if worker.address not in workers.values()
        ]
        free = [worker for worker in await add_tasks(others, self.session.client) if not (worker.busy or worker.paused)]
        try:
            gates = await self.factory.create(workers, restore=self.session.entry.snapshots, insist=not free)
        except DeploymentError:
            self.late.update(workers.values())
            raise
        self.late.clear()
        return gates
