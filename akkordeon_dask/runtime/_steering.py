"""What the owner of a network does with its gates while they work."""

from collections.abc import Mapping
from typing import Any

from akkordeon_dask.errors import SpecError
from akkordeon_dask.runtime._arguments import check_name
from akkordeon_dask.runtime._moving import drain, move, rebalance
from akkordeon_dask.runtime._reporting import Reporting
from akkordeon_dask.runtime._supervisor import Supervisor

__all__ = ["Steering"]


class Steering(Reporting):
    """Verbs of a running network that only its owner has."""

    _supervisor: Supervisor | None

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
            when there is no such gate, or this client does not own the network.
        PlacementError
            when there is no such worker.
        """
        return self._sync(self._move, check_name("a gate's name", gate), check_name("where a gate moves", to))

    async def _move(self, gate: str, to: str) -> float:
        return await move(self._owned(), gate, to)

    def drain(self, worker: str) -> Any:
        """Move all gates, and this client's sentinels, away from a worker that is to be retired.

        Gives the pause of each gate in seconds.

        Raises
        ------
        PlacementError
            when there is no such worker, or no other one has room.
        SpecError
            when this client does not own the network.
        """
        return self._sync(self._drain, check_name("a worker to drain", worker))

    async def _drain(self, worker: str) -> Mapping[str, float]:
        return await drain(self._owned(), worker)

    def rebalance(self) -> Any:
        """Move gates so that the measured busy shares of the workers even out; gives the pause of each in seconds.

        Raises
        ------
        PlacementError
            when there is one worker only.
        SpecError
            when this client does not own the network.
        """
        return self._sync(self._rebalance)

    async def _rebalance(self) -> Mapping[str, float]:
        return await rebalance(self._owned())

    def snapshot(self) -> Any:
        """Write a snapshot of every gate now; gives the number of updates in each.

        Raises
        ------
        CheckpointError
            when the network keeps none, or it cannot be written.
        """
        return self._sync(self._snapshot)

    async def _snapshot(self) -> Mapping[str, int]:
        numbers: dict[str, int] = await self._session.on_gates("snapshot")
        return numbers

    def _owned(self) -> Supervisor:
        self._session.check()
        if self._supervisor is None:
            raise SpecError(f"this client has connected to network {self.name!r}, only its owner moves gates")
        return self._supervisor
