"""Policies of the owner of a network: restart lost gates from their snapshots, or fail."""

import asyncio
from collections import deque
from collections.abc import Mapping

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, CheckpointError, ClosedError, TrainingError
from akkordeon_dask.runtime._events import explain_loss, log_event, lost_text
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._retry import RETRYABLE, retry
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle, Incarnation
from akkordeon_dask.runtime.recovery._gate_factory import discard
from akkordeon_dask.runtime.recovery._migration import evacuate
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy

__all__ = ["FailOnLoss", "Supervisor"]


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
        self._lost: dict[GateHandle, Incarnation] = {}
        """Gates that wait to be restarted, each with the incarnation that was lost."""

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
            self._count(gate, error)
            await self._restart_in_time(gate, error, begun + config.seconds("supervision.wait"))
            seconds = asyncio.get_running_loop().time() - begun
            error = await explain_loss(self.session.client, worker, error)
            await self._log(gate, "restarted", f"on {gate.worker} after {seconds:.2f} s: {error}")

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
            await self._restart(gate)

        retryable = (*RETRYABLE, CheckpointError)  # the storage of the snapshots may come back too
        try:
            await retry(restart, f"restarting {gate.label}", end=end, retryable=retryable)
        except retryable as failure:
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
        chosen = await self.choose_workers(lost)
        fresh = await self.create(chosen)
        try:
            await self.install(dict(zip(chosen, fresh, strict=True)))
        except BaseException:
            await discard(fresh)
            raise
        self._lost = {one: incarnation for one, incarnation in self._lost.items() if one.future is incarnation}

    async def take_over(self, lost: Mapping[GateHandle, Incarnation]) -> None:
        self._lost |= lost  # so that the first restart includes all
        await super().take_over(lost)
