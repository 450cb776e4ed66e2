"""Policies of the owner of a network: restart lost gates from their snapshots, or fail."""

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor, Position
from akkordeon_dask.errors import (
    AkkordeonError,
    CheckpointError,
    ClosedError,
    PlacementError,
    SchedulerLostError,
    TrainingError,
)
from akkordeon_dask.messages import Rollback
from akkordeon_dask.runtime._events import explain_loss, log_event, lost_text
from akkordeon_dask.runtime._live import read_telemetry
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle, Incarnation
from akkordeon_dask.runtime.handles._links import UnreachableError
from akkordeon_dask.runtime.recovery._gate_factory import discard
from akkordeon_dask.runtime.recovery._migration import evacuate
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from akkordeon_dask.snapshots import Cut, SupersededError, complete_cuts
from akkordeon_dask.telemetry import last_versions

__all__ = ["FailOnLoss", "Supervisor"]

logger = logging.getLogger(__name__)

_TELEMETRY = 2.0
"""Seconds for which a restart waits for what the scheduler knows of the lost gates."""


class FailOnLoss(OwnerPolicy):
    """Of a network without snapshots: a lost gate ends it with the error."""

    restarts = False

    async def gate_lost(self, gate: GateHandle, incarnation: Incarnation, error: AkkordeonError) -> None:
        raise await explain_loss(self.session.client, gate.worker, error)

    async def gate_leaving(self, gate: GateHandle, incarnation: Incarnation) -> None:
        await evacuate(self, gate, incarnation)


class Supervisor(OwnerPolicy):
    """Of a network with snapshots: restarts lost gates, and wires them to the others and to all sentinels.

    As Akka's supervisors it has a limit: more than `supervision.restarts` within `supervision.within`, or a gate that
    has no worker for `supervision.wait`, ends the network with an error.
    """

    restarts = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._restarts: deque[float] = deque()
        self._missing: dict[str, int] = {}
        """Updates that each gate has lost by all its restarts, by name."""
        self._restarted: list[GateHandle] = []
        """All gates of the last restart."""
        self._lost: dict[GateHandle, Incarnation] = {}
        """Gates that wait to be restarted, each with the incarnation that was lost."""
        self._cut_off: set[str] = set()
        """Workers that the last attempt has tried, and that some other one does not reach."""
        self._undone = 0
        """Updates that the last return to a cut has undone, where that is known."""
        self._unusable: set[str] = set()
        """Cuts that could not be read."""

    async def gate_leaving(self, gate: GateHandle, incarnation: Incarnation) -> None:
        await evacuate(self, gate, incarnation)

    async def gate_lost(self, gate: GateHandle, incarnation: Incarnation, error: AkkordeonError) -> None:
        """Return when the gate is restarted.

        Raises
        ------
        TrainingError
            when it cannot be restarted, or too many were.
        ClosedError
            when another client owns the network, or has stopped it.
        """
        closed = isinstance(error, ClosedError) and not isinstance(incarnation, ForgottenKey)
        if not closed:
            # Before its turn comes: the restart of another gate includes this one, for they cannot be wired otherwise.
            self._lost[gate] = incarnation
        async with self.lock:
            if gate.future is not incarnation:  # it was restarted together with another one
                return
            if closed:
                raise error
            begun, worker = asyncio.get_running_loop().time(), gate.worker
            await self._log(gate, "lost", lost_text(worker))
            await self._note_heartbeats()
            with_scheduler = isinstance(error, SchedulerLostError)
            if not with_scheduler:
                self._count(gate, error)
            wait = config.seconds("supervision.scheduler" if with_scheduler else "supervision.wait")
            before = self.session.entry.rollback
            interrupting = asyncio.ensure_future(self.rewiring.interrupt(gate, wait))
            try:
                await self._restart_in_time(gate, error, begun + wait)
            finally:
                interrupting.cancel()
                await asyncio.gather(interrupting, return_exceptions=True)
            seconds = asyncio.get_running_loop().time() - begun
            lost = await self._lost_updates() if self.session.entry.rollback is before else {}
            error = await explain_loss(self.session.client, worker, error)
            for one in self._restarted:
                text = f"on {one.worker} after {seconds:.2f} s{lost.get(one, '')}: {error}"
                await self._log(one, "restarted", text)

    async def _require_lease(self, gate: GateHandle, error: AkkordeonError) -> None:
        """A network whose snapshots another one has taken over restarts no gate from them."""
        try:
            await self.require_lease()
        except SupersededError as superseded:
            raise ClosedError(f"{gate.label} was lost ({error}) and is not restarted: {superseded}") from superseded

    async def _note_heartbeats(self) -> None:
        """Of gates that nobody can ask any more, the scheduler knows how many updates their last heartbeats told."""
        versions: dict[str, int] = {}
        with contextlib.suppress(AkkordeonError, OSError):
            async with asyncio.timeout(_TELEMETRY):
                versions = await read_telemetry(self.session.client, last_versions, self.session.name)
        for gate in self.session.gates:
            if (last := versions.get(gate.address.actor)) is not None:
                self.known_updates[gate.name] = max(last, self.known_updates.get(gate.name, 0))

    async def _lost_updates(self) -> dict[GateHandle, str]:
        """Of the gates that were just restarted, what their snapshots lack, as text.

        Every batch updates each gate once, so a gate that was not lost tells how many the others had. Where all were
        lost it is known how many they had when they were last asked, or in their last heartbeat: they have lost at
        least the difference.
        """
        gates = self.session.gates
        answers = await asyncio.gather(*(gate.ask(GateActor.statistics) for gate in gates), return_exceptions=True)
        found = {gate: one for gate, one in zip(gates, answers, strict=True) if not isinstance(one, BaseException)}
        fresh = {gate: found[gate].version - found[gate].counts.batches for gate in self._restarted if gate in found}
        known = self.known_updates | {gate.name: one.version for gate, one in found.items() if gate not in fresh}
        most = max([number + self._missing.get(name, 0) for name, number in known.items()], default=0)
        self.known_updates = known | {gate.name: number for gate, number in fresh.items()}
        texts = {}
        for gate, number in fresh.items():
            missed = self._missing.get(gate.name, 0)
            self._missing[gate.name] = max(most - number, missed)
            lost = f"{'about' if len(found) > len(fresh) else 'at least'} {self._missing[gate.name] - missed:,}"
            texts[gate] = f" with update {number:,}, {lost} updates of it are lost"
            logger.warning("%s goes on%s", gate.label, texts[gate])
        return texts

    async def _log(self, gate: GateHandle, event: str, text: str) -> None:
        await log_event(self.session.client, self.session.name, event, gate=gate.name, text=text)

    def _count(self, gate: GateHandle, error: AkkordeonError) -> None:
        now, span = asyncio.get_running_loop().time(), config.seconds("supervision.within")
        while self._restarts and now - self._restarts[0] > span:
            self._restarts.popleft()
        limit = config.whole("supervision.restarts", 0)
        if len(self._restarts) >= limit:
            raise TrainingError(
                f"gates of network {self.session.name!r} were lost more than {limit} times within {span:g} s, "
                f"the last: {error} (gate {gate.name!r}). See why workers end, or raise akkordeon.supervision.restarts"
            ) from error
        self._restarts.append(now)

    async def _restart_in_time(self, gate: GateHandle, error: AkkordeonError, end: float) -> None:
        async def restart() -> None:
            await self.require_ownership()
            await self._require_lease(gate, error)
            await self._restart(gate)

        retryable = (*RETRYABLE, CheckpointError)  # the storage of the snapshots may come back too
        try:
            await retry(restart, f"restarting {gate.label}", end=end, retryable=retryable)
        except (*retryable, SchedulerLostError) as failure:
            if await self.session.scheduler_loss.was_lost(failure):
                again = asyncio.get_running_loop().time() + config.seconds("supervision.scheduler")
                await self._restart_in_time(gate, error, again)
                return
            raise TrainingError(f"{gate.label} was lost ({error}) and cannot be restarted: {failure}") from error

    async def _restart(self, gate: GateHandle) -> None:
        workers = {worker.address for worker in await list_workers(self.session.client)}
        # Those of an attempt that failed half way are lost too, though their worker is there.
        lost = [
            one
            for one in self.session.gates
            if one is gate or self._lost.get(one) is one.future or one.worker not in workers
        ]
        self._lost |= {one: one.future for one in lost}
        if not self.hanging.isdisjoint(one.worker for one in lost):  # they may go on, and send results that are late
            self._renew(self.session.entry.generation + 1)
        avoid, self._cut_off = self._cut_off, set()  # where there is no other one, it is tried again
        try:
            chosen = await self.choose_workers(lost, avoid)
        except PlacementError:
            self.tried_all = bool(avoid)
            raise
        cut = await self._newest_cut()
        if cut is not None:
            chosen |= await self._end_others(cut, lost)
        fresh = await self._create(chosen, cut)
        if cut is not None:
            rollback = Rollback(uuid.uuid4().hex, cut.name, cut.positions)
            self.session.entry = replace(self.session.entry, rollback=rollback)
        try:
            await self.install(dict(zip(chosen, fresh, strict=True)))
        except BaseException as error:
            if isinstance(error, UnreachableError):
                self._cut_off = avoid.union(error.workers.intersection(chosen.values()))
            await discard(fresh)
            # Some of them may be in their places already: they are lost again.
            self._lost |= {one: one.future for one in (self.session.gates[position] for position in chosen)}
            raise
        self.tried_all = False
        self._restarted = [self.session.gates[position] for position in chosen]
        self._lost = {one: incarnation for one, incarnation in self._lost.items() if one.future is incarnation}
        if cut is not None:
            self.known_updates.clear()
            self._missing.clear()
            await self._report_rollback(cut)

    async def _newest_cut(self) -> Cut | None:
        """The cut to which all gates and sentinels go back; None where the lost gate goes back alone."""
        snapshots = self.session.entry.snapshots
        if config.choice("supervision.recover", ("gate", "cut")) == "gate" or snapshots is None:
            return None
        names = {gate.name for gate in self.session.gates}
        async with asyncio.timeout(config.seconds("timeouts.control")):
            cuts = await asyncio.to_thread(complete_cuts, snapshots)
        usable = (cut for cut in cuts if cut.name not in self._unusable and names <= set(cut.numbers))
        cut = next(usable, None)
        if cut is None:
            logger.warning("network %r has no complete cut: its lost gate goes back alone", self.session.name)
        return cut

    async def _end_others(self, cut: Cut, lost: Sequence[GateHandle]) -> dict[int, str]:
        """End the gates that are not lost, for they go back too; their workers by position."""
        others = {position: one for position, one in enumerate(self.session.gates) if one not in lost}
        answers = await asyncio.gather(
            *(one.ask(GateActor.statistics) for one in others.values()), return_exceptions=True
        )
        numbers = [answer.version for answer in answers if not isinstance(answer, BaseException)]
        if numbers:
            self._undone = max(numbers) - min(cut.numbers.values())
        self._lost |= {one: one.future for one in others.values()}
        await asyncio.gather(*(one.ask(GateActor.close) for one in others.values()), return_exceptions=True)
        return {position: one.worker for position, one in others.items()}

    async def _create(self, workers: Mapping[int, str], cut: Cut | None) -> list[GateHandle]:
        """Create gates; a cut that cannot be read is not tried again."""
        try:
            return await self.create(workers, cut.name if cut is not None else None)
        except CheckpointError:
            if cut is not None:
                self._unusable.add(cut.name)
            raise

    async def _report_rollback(self, cut: Cut) -> None:
        """Tell that the network went back; passes of other clients' sentinels are marked here."""
        session = self.session
        for name, saved in cut.positions.items():
            if name not in session.sentinels:
                session.passes.roll_back(name, Position.from_dict(saved["position"]).finished)
        numbers = ", ".join(f"{gate} to {number:,}" for gate, number in cut.numbers.items())
        text = f"all gates and training sentinels, by updates: {numbers}; about {self._undone:,} updates are undone"
        logger.warning("network %r went back: %s", session.name, text)
        await log_event(session.client, session.name, "rolled back", text=text)

    async def take_over(self, lost: Mapping[GateHandle, Incarnation]) -> None:
        self._lost |= lost  # so that the first restart includes all
        await super().take_over(lost)
