"""Who does something about lost gates."""

from typing import Any, Protocol

from distributed import Future

from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime._gate_handle import GateHandle, Gone

__all__ = ["Mender"]


class Mender(Protocol):
    """What is done about a lost gate."""

    patient: bool
    """Lost gates are made anew."""

    async def mend(self, gate: GateHandle, former: Future[Any] | Gone, error: AkkordeonError) -> None:
        """Return when the gate works again; `former` is the future of the life that was lost."""
