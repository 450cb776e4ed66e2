"""Wait with a network for its end, or for that of a sentinel."""

from typing import Any

from akkordeon_dask.runtime._attached import Attached
from akkordeon_dask.runtime._running import Running

__all__ = ["stay"]


def stay(running: Running, attached: Attached | None = None) -> Any:
    """Wait until a sentinel rests; without one, until the network ends. For programs that do nothing else.

    Raises
    ------
    ClosedError
        when somebody closed the network.
    GateError, SentinelError, NonFiniteError, WorkerLostError, DataError
        what went wrong, with the gate, the batch and the worker.
    """
    return running.client.sync(running._session.until, lambda: attached is not None and attached.ended, None)
