"""Who does something about lost gates."""

from typing import Any, Protocol

from distributed import Future

from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle

__all__ = ["RecoveryPolicy"]


class RecoveryPolicy(Protocol):
    """What is done about a lost gate."""

    owner_restarts_gates: bool
    """Lost gates are made anew."""

    async def gate_lost(self, gate: GateHandle, former: Future[Any] | ForgottenKey, error: AkkordeonError) -> None:
        """Return when the gate works again; `former` is the future of the life that was lost."""
