"""The recovery of gates whose worker is lost or shuts down."""

from typing import Protocol

from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime.handles._gate import GateHandle, Incarnation

__all__ = ["RecoveryPolicy"]


class RecoveryPolicy(Protocol):
    """Of one session. Its methods run on the client's event loop."""

    restarts: bool
    """The network's owner restarts lost gates from their snapshots."""
    moves: bool
    """This client moves gates off workers that shut down."""

    async def gate_lost(self, gate: GateHandle, incarnation: Incarnation, error: AkkordeonError) -> None:
        """Return when the gate works again, in another incarnation than this one.

        Raises
        ------
        AkkordeonError
            when it will not: the error with which the network ends.
        """

    async def gate_leaving(self, gate: GateHandle, incarnation: Incarnation) -> None:
        """The gate's worker shuts down: move the gate, or leave that to the owner."""
