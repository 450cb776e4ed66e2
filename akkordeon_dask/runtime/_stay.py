"""Wait with a network for its end, or for that of a sentinel."""

from typing import Any

from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime.handles._sentinel import Attached

__all__ = ["stay"]


def stay(running: Running, attached: Attached | None = None, *, progress: bool = False) -> Any:
    """Wait until a sentinel rests; without one, until the network ends. For programs that do nothing else.

    With `progress` it shows the passes of this client's sentinels, as `wait` does.

    Raises
    ------
    ClosedError
        when somebody closed the network.
    GateError, SentinelError, NonFiniteError, WorkerLostError, DataError
        what went wrong, with the gate, the batch and the worker.
    """
    until = running._session.wait_until, lambda: attached is not None and attached.ended, None
    return running._shown(progress, lambda one: one is attached, True, *until)
