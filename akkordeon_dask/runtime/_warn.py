"""What a user is told of snapshots that cannot be written."""

import logging
import warnings

from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.runtime._session import Session

__all__ = ["warn_of_snapshots"]

logger = logging.getLogger(__name__)


async def warn_of_snapshots(session: Session) -> None:
    """Warn of each gate whose newest snapshot could not be written: the network trains on, but cannot go back to it.

    Python shows a warning once, and may make it an error.
    """
    if not session.policy.restarts:  # it keeps none
        return
    try:
        found = await session.on_gates(GateActor.statistics)
    except AkkordeonError as error:  # a gate is being made anew just now
        logger.info("no word of the snapshots of network %r: %s", session.name, error)
        return
    for gate, told in found.items():
        if told.snapshot_error is not None:
            there = "none" if told.snapshot is None else f"one of update {told.snapshot:,}"
            warnings.warn(
                f"snapshots of gate {gate!r} are not written, there is {there}: {told.snapshot_error}",
                RuntimeWarning,
                stacklevel=2,
            )
