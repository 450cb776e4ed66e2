"""The owner takes consistent cuts of its network, from the first version to the last."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import AkkordeonError, CheckpointError, ClosedError
from akkordeon_dask.runtime._cuts import CutNetwork, TakenCut
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from akkordeon_dask.snapshots import SnapshotPolicy, SupersededError

__all__ = ["CutSchedule", "snapshot"]

logger = logging.getLogger(__name__)

_SHARE = 50
"""Times the pause of a cut that drawing goes on, at least, before the next one."""
_LAST_TRIES = 2
"""To take the cut that a network ends with."""
_SOON = 1.0
"""Seconds to the second cut; each further one comes after twice the time, up to the interval that the user chose."""


async def snapshot(policy: OwnerPolicy) -> Mapping[str, int]:
    """Write a snapshot of each gate, and one of all at one moment; see `Running.snapshot`."""
    numbers = await policy.session.on_gates(GateActor.snapshot)
    return numbers if policy.keep_cut is None else await policy.keep_cut()


class CutSchedule:
    """Takes cuts of a network that keeps snapshots. On the client's event loop.

    Parameters
    ----------
    earlier
        positions of sentinels of the run that this one has resumed.
    """

    def __init__(
        self, policy: OwnerPolicy, snapshots: SnapshotPolicy, earlier: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self._policy, self._session, self._snapshots = policy, policy.session, snapshots
        self._earlier = earlier or {}
        self._begun = 0
        """Cuts that were begun."""
        self._called_off = 0
        """Cuts in a row that there are not."""
        self._kept: Mapping[str, int] | None = None
        """The updates of each gate in the last cut that was written."""
        self._first: TakenCut | None = None
        self._last: TakenCut | None = None
        """Cuts that are taken and not written yet."""
        self.pauses: list[float] = []
        """Seconds for which drawing stood still, of the last cuts."""
        self._superseded = False
        """A later owner has taken the snapshots over: there are no more cuts."""
        self._lock = asyncio.Lock()
        """Held while a cut is taken or written."""

    async def begin(self) -> None:
        """Take the first cut; it is written by `run`."""
        self._first = await self._take()

    async def run(self) -> None:
        """Take cuts until it is cancelled, or another client owns the network or its snapshots."""
        if self._first is not None:
            await self._write(self._first, config.seconds("timeouts.load"))
            self._first = None
        wait = _SOON
        while self._session.policy is self._policy:
            await asyncio.sleep(max(wait, _SHARE * max(self.pauses[-3:], default=0.0)))
            if await self._is_superseded():
                return
            if await self._is_due():
                wait = min(2 * wait, max(_SOON, self._snapshots.seconds))
                await self._keep(config.seconds("timeouts.load"))

    async def take_last(self) -> None:
        """Take the last cut, where something has changed since the one before; sentinels draw no more for now."""
        self._last = None
        if self._session.error is not None or await self._is_superseded():
            return
        if not (await self._has_changed() or await self._still_updates()):
            return
        for _ in range(_LAST_TRIES):
            self._last = await self._take(go_on=False)
            if self._last is not None:
                return
        self._warn_of_last()

    async def write_last(self) -> None:
        """Write it. The session may be closed by now, its gates may not."""
        seconds = config.seconds("timeouts.close")
        if self._last is not None and not await self._write(self._last, seconds):
            self._warn_of_last()

    def _warn_of_last(self) -> None:
        logger.warning(
            "network %r: there are no last snapshots of all gates at one moment: `resume` begins with those before",
            self._session.name,
        )

    async def _is_superseded(self) -> bool:
        """Look for a later owner of the snapshots, and tell of it once."""
        if self._superseded:
            return True
        try:
            await self._policy.require_lease()
        except SupersededError as error:
            self._superseded = True
            logger.warning("network %r: %s", self._session.name, error)
            await log_event(self._session.client, self._session.name, "superseded", text=str(error))
        return self._superseded

    async def _is_due(self) -> bool:
        if self._policy.lock.locked():  # a gate is restarted or moved
            return False
        if self._session.entry.ownership != self._policy.ownership:  # another owner resumed it, as is found out soon
            return False
        updates, kept = self._snapshots.updates, self._kept
        if updates is None or kept is None:
            return await self._has_changed()
        name = self._session.gates[0].name
        numbers = await self._numbers()
        return name in numbers and numbers[name] - kept.get(name, 0) >= updates

    async def _has_changed(self) -> bool:
        """The network differs from the last cut; True where a gate does not answer."""
        return self._kept is None or await self._numbers() != self._kept

    async def _still_updates(self) -> bool:
        """A gate has answered for a batch and updates with it just now; False where one does not answer."""
        try:
            async with asyncio.timeout(config.seconds("snapshots.cut-deadline")):
                return await self._session.on_gates(GateActor.updates) != self._kept
        except (AkkordeonError, OSError):  # a TimeoutError is one: there would be no cut either
            return False

    async def _numbers(self) -> dict[str, int]:
        """The updates of each gate now, or before a long turn; none where one does not answer."""
        try:
            found = await self._session.on_gates(GateActor.statistics)
        except (AkkordeonError, OSError):
            return {}
        numbers = {name: one.version for name, one in found.items()}
        self._policy.known_updates |= numbers
        return numbers

    async def keep(self) -> Mapping[str, int]:
        """Take a cut now, and write it; returns the updates of each gate.

        Raises
        ------
        CheckpointError
            when it was called off, or cannot be written.
        """
        try:
            await self._policy.require_lease()
            taken = await self._taken()
            await self._written(taken, config.seconds("timeouts.control"))
        except (AkkordeonError, OSError) as error:  # a TimeoutError is one
            raise CheckpointError(
                f"each gate of network {self._session.name!r} has written a snapshot, but there is none of all at one "
                f"moment, which `resume` takes ({error or 'it takes too long'}): snapshot again"
            ) from None
        return taken.cut.numbers

    async def _keep(self, seconds: float) -> None:
        if (taken := await self._take()) is not None:
            await self._write(taken, seconds)

    async def _take(self, *, go_on: bool = True) -> TakenCut | None:
        try:
            return await self._taken(go_on=go_on)
        except (AkkordeonError, OSError) as error:
            await self._call_off("taken", error)
            return None

    async def _taken(self, *, go_on: bool = True) -> TakenCut:
        async with self._lock, self._session.cutting:
            network = CutNetwork.of(self._session)
            self._begun += 1
            taken = await network.take(self._begun, go_on=go_on)
        if network != CutNetwork.of(self._session):
            raise ClosedError("a gate was restarted or moved meanwhile")
        self.pauses = [*self.pauses[-99:], taken.seconds]
        return taken

    async def _write(self, taken: TakenCut, seconds: float) -> bool:
        try:
            await self._written(taken, seconds)
        except (AkkordeonError, OSError) as error:  # a TimeoutError is one
            await self._call_off("written", error)
            return False
        return True

    async def _written(self, taken: TakenCut, seconds: float) -> None:
        async with self._lock:
            await CutNetwork.of(self._session).write(taken, seconds, self._earlier)
        self._kept, self._called_off = dict(taken.cut.numbers), 0

    async def _call_off(self, verb: str, error: Exception) -> None:
        self._called_off += 1
        text = f"snapshots of all gates at one moment are not {verb}, time {self._called_off} in a row: {error}"
        logger.info("network %r: %s", self._session.name, text)
        await log_event(self._session.client, self._session.name, "cut called off", text=text)
