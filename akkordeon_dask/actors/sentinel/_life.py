"""How a training sentinel outlives a worker: where it is in its data is known elsewhere, and written down."""

import asyncio
import contextlib
import time
from collections.abc import Iterable

from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask.actors._dask_actor import DaskActor
from akkordeon_dask.actors.sentinel._behavior import SentinelBehavior
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.actors.sentinel._position_snapshots import PositionSnapshots, load_position
from akkordeon_dask.errors import AkkordeonError, CheckpointError
from akkordeon_dask.network import Sentinel
from akkordeon_dask.snapshots._policy import SnapshotPolicy

__all__ = ["SentinelLife"]


class SentinelLife(DaskActor):
    """The part of the sentinel's actor that knows of other lives of the sentinel."""

    network: str
    _sentinel: Sentinel
    _name: str
    _generation: int
    _core: SentinelBehavior
    _position: Position | None
    """Where it was when its thread looked last; before it opens, where it begins. Replaced, never changed."""
    _keeping: SnapshotPolicy | None
    """Where that is written down."""
    _bookmark: PositionSnapshots | None = None
    _moves = False
    """Another life goes on. Set and read by its thread."""

    def _resume(self, places: Iterable[SnapshotPolicy]) -> None:
        """Go on where a sentinel of this name was, at the first place that knows. In Dask's thread, before `open`."""
        for keeping in places:
            if self._sentinel.mode == "train" and self._position is None:
                self._position = load_position(keeping, self._sentinel, self._name)

    async def _begin_snapshots(self) -> None:
        """Before its thread starts: looks what is there, and not on the event loop."""
        if self._keeping is None or self._sentinel.mode != "train":
            return
        try:
            self._bookmark = await offload(self._begin, self._keeping)
        except CheckpointError as error:  # as with gates, training goes on without
            self._log_event("snapshot failed", str(error))

    def _begin(self, keeping: SnapshotPolicy) -> PositionSnapshots:
        return PositionSnapshots(keeping, self._sentinel, self._name, self._generation, tell=self._log_event)

    def _log_event(self, event: str, text: str) -> None:
        """Any thread."""
        self._tell(self.network, event, sentinel=self._name, text=text)

    def _maybe_write_position(self, now: float) -> None:
        """Look where it is. In its thread."""
        if self._core.state in ("failed", "left"):
            return
        self._position = self._core.passes.position(now)
        if self._bookmark is not None and self._position is not None:
            self._bookmark.maybe_write(self._position, now)

    def _end_snapshots(self) -> None:
        """Write down how it ends, but where another life goes on. In its thread, last."""
        if self._bookmark is not None:
            self._bookmark.close(None if self._moves else self._position, config.seconds("timeouts.close"))

    async def _wait_for_drain(self, news: asyncio.Event, timeout: float) -> bool:
        """Wait for `news`, or for the worker to be told to end; True: then who asks should move the sentinel."""
        office = self._office
        if office is None or self._sentinel.mode == "predict":  # that one is soon over, and its outputs are here
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), timeout)
            return False
        return await office.leaving.wait_for_drain(self.key, news, timeout)

    async def acknowledge_drain(self, refusal: str = "") -> None:
        """Who attached it moves it off the worker, which waits for that; with a `refusal` it cannot. On the loop."""
        if self._office is not None:
            self._office.leaving.acknowledge(self.key, refusal)

    async def close(self) -> None:
        """End the sentinel. On the event loop."""
        with contextlib.suppress(AkkordeonError, TimeoutError):  # where it does not answer, what it told last counts
            await self._call(self._stop)
        await super().close()

    def _stop(self) -> None:
        """In its thread: from here on nothing comes home any more."""
        self._maybe_write_position(time.monotonic())
        self._core.stop()
