"""How a gate's state outlives a worker: it is written down, goes to another worker, or goes back."""

import asyncio
import dataclasses
import time

from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask.actors._dask_actor import DaskActor
from akkordeon_dask.actors.gate._behavior import GateBehavior, Version
from akkordeon_dask.actors.gate._fetch import request_state
from akkordeon_dask.actors.gate._migration import Handover
from akkordeon_dask.actors.gate._snapshots import GateSnapshots, load_version
from akkordeon_dask.errors import CheckpointError, ClosedError
from akkordeon_dask.messages import Address
from akkordeon_dask.snapshots._policy import SnapshotPolicy

__all__ = ["GateLife"]

_SOON = 0.001


class GateLife(DaskActor):
    """The part of the gate's actor that knows of other lives of the gate."""

    _core: GateBehavior
    _keeping: SnapshotPolicy | None
    _keeper: GateSnapshots | None = None
    _leaving = False
    """It was asked for its state and has not said it yet. On the event loop."""

    def _restore(self, keeping: SnapshotPolicy, *, must: bool) -> None:
        """Go on from the newest snapshot. In Dask's thread for actors, before `open`."""
        core = self._core
        version = load_version(keeping, core.name, core.version)
        if version is not None:
            core.version = version
            return
        text = f"none of gate {core.name!r} in {keeping.url!r} is there and intact"
        if must:
            raise CheckpointError(f"{text}: give the place of this network's snapshots")
        self._tell(core.network, "no snapshot", gate=core.name, text=f"{text}: it begins with its first parameters")

    def _begin_snapshots(self) -> None:
        """Before the gate's thread starts, and not on the event loop: it looks at all parameters."""
        core = self._core
        if self._keeping is None:
            return

        def tell(event: str, text: str) -> None:
            self._tell(core.network, event, gate=core.name, text=text)

        self._keeper = GateSnapshots(self._keeping, core.name, core.generation, tell=tell)
        self._keeper.write_version(
            core.version, time.monotonic()
        )  # from the first update on there is something to go back to

    def _maybe_write_snapshot(self, version: Version, now: float) -> None:
        """In the gate's thread."""
        if self._keeper is not None and not self._core.migrating:
            self._keeper.maybe_write(version, now)

    def _end_snapshots(self) -> None:
        """Write down how it ends, but where another life goes on. In the gate's thread, last."""
        if self._keeper is not None:
            last = None if self._core.migrating else self._core.version
            self._keeper.close(last, config.seconds("timeouts.close"))

    async def import_from(self, former: Address) -> None:
        """Go on where this gate's life on another worker ends, from now on. Before `open`, on the event loop."""
        handover = await request_state(self._worker, former)
        await offload(self._core.take_over, handover)

    async def hand_over(self) -> Handover:
        """End this life of the gate; gives what the next one goes on with. Done by the gate's thread.

        Raises
        ------
        ClosedError
            when it was told meanwhile to go on.
        """
        self._leaving = True
        while self._leaving:
            handover: Handover | None = await self._call(self._core.hand_over)
            if handover is not None:
                self._leaving = False
                return handover
            await asyncio.sleep(_SOON)
        await self._resume_here()
        raise ClosedError(f"{self._core.name!r} on {self.address.worker} goes on after all: move it again")

    async def cancel_migration(self) -> None:
        """Go on with this life after all. Done by the gate's thread."""
        self._leaving = False
        await self._resume_here()

    async def _resume_here(self) -> None:
        await self._call(lambda: setattr(self._core, "migrating", False))

    async def rewind(self, factor: float) -> int:
        """Go back to the newest snapshot, with learning rates times `factor`; gives its number. By the gate's thread.

        What is under way is forgotten: it was computed with the numbers that went wrong.

        Raises
        ------
        CheckpointError
            when there is no snapshot, or the network keeps none.
        """
        if self._keeper is not None:
            await offload(self._keeper.flush, config.seconds("timeouts.control"))
        number: int = await self._call(lambda: self._rewind(factor))
        return number

    def _rewind(self, factor: float) -> int:
        core = self._core
        version = load_version(self._keeping, core.name, core.version) if self._keeping is not None else None
        if version is None:
            raise CheckpointError(f"gate {core.name!r} has no snapshot to go back to: give deploy(snapshots=URL)")
        now = core.version
        # As slow as all former ones have made it, whatever the rate was when the snapshot was written.
        state = dataclasses.replace(version.state, rate=now.state.rate).slowed(factor)
        core.version = Version(now.number + 1, version.params, state, version.samples)
        core.drop_contexts()
        assert self._keeper is not None
        self._keeper.write_version(
            core.version, time.monotonic()
        )  # else who is made anew before the next one goes on as before
        return version.number

    async def snapshot(self) -> int:
        """Write the present version down, and wait until it is written; gives its number.

        Raises
        ------
        CheckpointError
            when it cannot be written, or the network keeps no snapshots.
        """
        if self._keeper is None:
            raise CheckpointError(f"gate {self._core.name!r} keeps no snapshots: give deploy(snapshots=URL)")
        keeper = self._keeper
        number: int = await self._call(lambda: keeper.write_version(self._core.version, time.monotonic()))
        await offload(keeper.flush, config.seconds("timeouts.control"))
        if keeper.last is None or keeper.last < number:
            raise CheckpointError(f"gate {self._core.name!r}, version {number}: {keeper.error}")
        return number
