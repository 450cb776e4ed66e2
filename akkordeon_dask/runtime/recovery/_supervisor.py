"""What the owner of a network does about gates that are lost."""

import asyncio
import dataclasses
import logging
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed import Future

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, CheckpointError, ClosedError, TrainingError, WorkerLostError
from akkordeon_dask.network import Gate, Network
from akkordeon_dask.runtime._events import log_event, lost_text
from akkordeon_dask.runtime._registry import check_lease, publish
from akkordeon_dask.runtime.cluster._plan import make_plan
from akkordeon_dask.runtime.cluster._queries import ask_workers, ping
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle
from akkordeon_dask.runtime.recovery._gate_factory import GateFactory, discard, wire
from akkordeon_dask.runtime.recovery._rewiring import Rewiring
from akkordeon_dask.runtime.recovery._workers import current_name

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["Supervisor"]

logger = logging.getLogger(__name__)

_LEASE, _PART = 2.0, 8


class Supervisor:
    """Makes lost gates anew from their snapshots, and joins them to the others and to all sentinels.

    As Akka's supervisors it has a limit: more than `supervision.restarts` within `supervision.within`, or a gate that
    has no worker for `supervision.wait`, ends the network with an error. All on the client's event loop; a lock lets it
    do one thing at a time.
    """

    owner_restarts_gates = True

    def __init__(self, session: "Session", making: GateFactory, *, published: bool) -> None:
        self.session, self.making, self._published = session, making, published
        self.lock = asyncio.Lock()
        self._restarts: deque[float] = deque()
        self.unresponsive: set[str] = set()
        """Workers that did not answer when they were looked at last."""
        self._lost: dict[GateHandle, Future[Any] | ForgottenKey] = {}
        """Gates that wait to be made anew, with the future of the life that was lost."""
        self.telling = Rewiring(self)

    async def gate_lost(self, gate: GateHandle, former: Future[Any] | ForgottenKey, error: AkkordeonError) -> None:
        """Return when there is a new life of the gate.

        Raises
        ------
        TrainingError
            when it cannot be made, or too many were.
        ClosedError
            when somebody else owns the network by now.
        """
        closed = isinstance(error, ClosedError) and not isinstance(former, ForgottenKey)
        if not closed:
            # Before its turn comes: who is mending another gate takes this one along, for it cannot be joined to that.
            self._lost[gate] = former
        async with self.lock:
            if gate.future is not former:  # it was mended together with another one
                return
            if closed:  # somebody stopped the network
                raise error
            begun = asyncio.get_running_loop().time()
            await log_event(self.session.client, self.session.name, "lost", gate=gate.name, text=lost_text(gate.worker))
            self._count(gate, error)
            await self._make_anew(gate, error, begun + config.seconds("supervision.wait"))
            seconds = asyncio.get_running_loop().time() - begun
            text = f"made anew on {gate.worker} after {seconds:.2f} s: {error}"
            await log_event(self.session.client, self.session.name, "restarted", gate=gate.name, text=text)

    def _count(self, gate: GateHandle, error: AkkordeonError) -> None:
        now, span = asyncio.get_running_loop().time(), config.seconds("supervision.within")
        while self._restarts and now - self._restarts[0] > span:
            self._restarts.popleft()
        limit = config.whole("supervision.restarts", 0)
        if len(self._restarts) >= limit:
            raise TrainingError(
                f"gates of network {self.session.name!r} were lost more than {limit} times within {span:g} s, "
                f"the last: {error} (gate {gate.name!r}). Mend the worker, or raise akkordeon.supervision.restarts"
            ) from error
        self._restarts.append(now)

    async def _make_anew(self, gate: GateHandle, error: AkkordeonError, end: float) -> None:
        async def make() -> None:
            await self.require_ownership()
            await self._restart(gate)

        mendable = (*RETRYABLE, CheckpointError)  # the place of the snapshots may come back too
        try:
            await retry(make, f"making {gate.who} anew", end=end, mendable=mendable)
        except mendable as failure:
            raise TrainingError(f"{gate.who} was lost ({error}) and cannot be made anew: {failure}") from error

    async def require_ownership(self) -> None:
        """An owner that was stopped and wakes finds that it owns nothing any more."""
        if self._published:
            await check_lease(self.session.client, self.making)

    async def watch_lease(self) -> None:
        """Look now and then whether the network is still this owner's. Runs until it is not.

        Raises
        ------
        ClosedError
            then.
        """
        while True:
            await asyncio.sleep(_LEASE)
            try:
                await check_lease(self.session.client, self.making)
            except OSError as error:  # the scheduler does not answer: it knows of no other owner either
                logger.info("no word of who owns network %r: %r", self.making.name, error)

    async def take_over(self, lost: Mapping[GateHandle, ForgottenKey | Future[Any]]) -> None:
        """Join all gates of a network that had another owner; make those anew that it has lost.

        Raises
        ------
        AkkordeonError
            when that cannot be done within `supervision.wait`.
        """
        self._lost |= lost
        for gate, former in lost.items():
            text = f"{gate.who} was lost while nobody watched network {self.making.name!r}"
            await self.gate_lost(gate, former, WorkerLostError(text))
        if not lost:  # else who mended them has joined all
            await self._join_all()

    async def _join_all(self) -> None:
        async def join() -> None:
            self.session.check()
            async with self.lock:
                await self.install({})

        # Who watches the gates makes the one anew that is lost just now, where it can.
        wait = config.seconds("supervision.wait") if self.making.keeping is not None else 0.0
        end = asyncio.get_running_loop().time() + wait
        await retry(join, f"taking over network {self.making.name!r}", end=end)

    async def _restart(self, gate: GateHandle) -> None:
        gates = self.session.gates
        there = {worker.address for worker in await list_workers(self.session.client)}
        # Those of a try that failed half way are lost too, though their worker is there.
        lost = [one for one in gates if one is gate or self._lost.get(one) is one.future or one.worker not in there]
        self._lost |= {one: one.future for one in lost}
        places = await self.choose_workers(lost)
        fresh = await self.making.make(self.session.client, places, restore=self.making.keeping)
        try:
            await self.install(dict(zip(places, fresh, strict=True)))
        except BaseException:
            await discard(fresh)
            raise
        self._lost = {one: former for one, former in self._lost.items() if one.future is former}

    async def install(self, fresh: dict[int, GateHandle]) -> None:
        """Put these gates in the places of their former lives."""
        session = self.session
        gates = [fresh.get(place, gate) for place, gate in enumerate(session.gates)]
        patience = config.seconds("supervision.patience")
        await wire(gates, list(fresh.values()), self.making.generation, patience)
        for place, gate in fresh.items():
            session.gates[place].replace_actor(gate)
        if self._published:
            await publish(session.client, self.making, session.gates, again=True)
        await self.tell_sentinels()

    async def tell_sentinels(self) -> None:
        """Let all sentinels of the network, of whatever client, go on with the gates that there are now."""
        await self.telling.broadcast(later=self.unresponsive)

    async def choose_workers(self, lost: Sequence[GateHandle], avoid: Collection[str] = ()) -> dict[int, str]:
        """Workers for these gates, as placement chooses them with all others where they are.

        None is one of those to `avoid`, or that are told to end: a gate that asks for such a one goes where there is
        room.
        """
        client, session, names = self.session.client, self.session, {gate.name for gate in lost}
        workers, known = await list_workers(client), session.worker_names
        shunned = {*avoid, *session.draining_workers}
        session.draining_workers.intersection_update(worker.address for worker in workers)
        await self._look({worker.address for worker in workers})

        def pinned(gate: Gate, handle: GateHandle) -> Gate:
            if handle.name not in names:  # one that is to go as well is put somewhere, and its turn comes
                where = None if handle.worker in shunned else handle.worker
                return dataclasses.replace(gate, workers=where, resources={})
            wish = gate.workers
            if isinstance(wish, str):
                wish = current_name(wish, workers, known)
                meant = [one for one in workers if wish in (one.name, one.address, one.host)]
                if (meant or avoid) and shunned.issuperset(one.address for one in meant):
                    wish = None
            return dataclasses.replace(gate, workers=wish)

        network = Network(list(map(pinned, self.making.network, session.gates)))
        plan = await make_plan(network, client, config.seconds("supervision.patience"), {*self.unresponsive, *shunned})
        return {place: placed.address for place, placed in enumerate(plan) if placed.gate in names}

    async def _look(self, there: Collection[str]) -> None:
        """Use the workers that answer: the scheduler may not have noticed yet that one is gone."""
        limit = config.seconds("supervision.patience") / _PART
        self.unresponsive = set(there).difference(await ask_workers(self.session.client, ping, there, limit))
