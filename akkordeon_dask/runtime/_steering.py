"""What is done with the gates of a network while they work."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from akkordeon_dask.actors import GateActor
from akkordeon_dask.runtime._arguments import check_name
from akkordeon_dask.runtime._reporting import Reporting
from akkordeon_dask.runtime.clients._owner_requests import ask_owner
from akkordeon_dask.runtime.recovery._migration import drain, move, rebalance
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy

__all__ = ["Steering"]


class Steering(Reporting):
    """Verbs of a running network that its owner does: who has only connected to it asks the owner.

    Then each of them may raise a `DeploymentError` too, where the network has no owner any more, and a `DeadlineError`,
    where that one does not answer within `akkordeon.timeouts.owner`.
    """

    _supervisor: OwnerPolicy | None

    def move(self, gate: str, to: str) -> Any:
        """Let a gate go on on another worker, while the network trains; gives the seconds that it did not work.

        Its parameters, optimizer state and randomness go on as they were. Batches that were inside are sent again; a
        gate is never updated twice with one.

        Parameters
        ----------
        to
            a worker's name, address or host.

        Raises
        ------
        SpecError
            when there is no such gate.
        PlacementError
            when there is no such worker.
        """
        return self._sync(self._move, check_name("a gate's name", gate), check_name("where a gate moves", to))

    async def _move(self, gate: str, to: str) -> float:
        seconds: float = await self._done(move, gate, to)
        return seconds

    def drain(self, worker: str) -> Any:
        """Move all gates, and the owner's sentinels, away from a worker that is to be retired.

        Gives the pause of each gate in seconds.

        Raises
        ------
        PlacementError
            when there is no such worker, or no other one has room.
        """
        return self._sync(self._drain, check_name("a worker to drain", worker))

    async def _drain(self, worker: str) -> Mapping[str, float]:
        pauses: dict[str, float] = await self._done(drain, worker)
        return pauses

    def rebalance(self) -> Any:
        """Move gates so that the measured busy shares of the workers even out; gives the pause of each in seconds.

        Raises
        ------
        PlacementError
            when there is one worker only.
        """
        return self._sync(self._rebalance)

    async def _rebalance(self) -> Mapping[str, float]:
        pauses: dict[str, float] = await self._done(rebalance)
        return pauses

    def snapshot(self) -> Any:
        """Write a snapshot of every gate now; gives the number of updates in each.

        Raises
        ------
        CheckpointError
            when the network keeps none, or it cannot be written.
        """
        return self._sync(self._snapshot)

    async def _snapshot(self) -> Mapping[str, int]:
        return await self._session.on_gates(GateActor.snapshot)

    async def _done(self, verb: Callable[..., Awaitable[Any]], *arguments: str) -> Any:
        """What a verb of the owner's supervisor gives, here or, where this client has only connected, there."""
        self._session.check()
        if self._supervisor is not None:
            return await verb(self._supervisor, *arguments)
        return await ask_owner(self._session.client, self._session.name, verb.__name__, *arguments)
