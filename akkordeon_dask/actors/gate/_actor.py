"""The gate as a Dask actor."""

import asyncio
import contextlib
import time

from distributed.utils import offload

from akkordeon_dask.actors._dask_actor import ENDING
from akkordeon_dask.actors.engine._blas import limit_blas, release_blas
from akkordeon_dask.actors.engine._cell import ActorCell
from akkordeon_dask.actors.engine._helpers import helpers
from akkordeon_dask.actors.gate._behavior import GateBehavior, Version
from akkordeon_dask.actors.gate._computations import Computation
from akkordeon_dask.actors.gate._life import GateLife
from akkordeon_dask.actors.gate._statistics import GateStatistics, metrics_of, statistics_of
from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.actors.transport._post_office import PostOffice
from akkordeon_dask.errors import ClosedError, GateError, WorkerLostError
from akkordeon_dask.messages import Address, GateMetrics
from akkordeon_dask.network import Claim, Gate, Resources
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.tree import Tree, size

__all__ = ["GateActor"]


class GateActor(GateLife):
    """A gate on a worker. Made by `deploy`, called by the runtime only."""

    def __init__(
        self,
        key: str,
        gate: Gate,
        *,
        name: str,
        place: int,
        network: str,
        generation: int,
        seed: int,
        keeping: SnapshotPolicy | None = None,
        restore: SnapshotPolicy | None = None,
        resume: bool = False,
    ) -> None:
        super().__init__(key)
        self._place, self._keeping = place, keeping
        self._core = GateBehavior(
            gate,
            name=name,
            network=network,
            generation=generation,
            seed=seed,
            worker=self.address.worker,
            clock=time.monotonic,
            send=self._send,
            assist=self._assist,
            keep=self._maybe_write_snapshot,
        )
        if restore is not None:
            self._restore(restore, must=resume)
        self._parameters = size(self._core.version.params, statistics=False)
        self._closing = asyncio.Event()

    def _assist(self, work: Computation) -> bool:
        """Leave the work to a helper if it is worth one, another batch waits for this gate's thread, a core is idle."""
        waits = self._thread is not None and len(self._thread.mailbox) > 0
        return waits and not work.light and helpers.offer(lambda: self._aside(work))

    def _aside(self, work: Computation) -> None:
        """In a helper's thread: the gate's takes the result as control, before what it sets off can come back."""
        thread = self._thread
        if thread is not None:
            work.compute()
            thread.mailbox.put(work)
            self._core.send_result(work)

    async def open(self, previous: Address | None, next_: Address | None) -> None:
        """Start the thread, with the gate's neighbours known. On the event loop.

        Raises
        ------
        PlacementError
            when the worker has no longer what the gate takes of it.
        """
        await self._claim()
        self._core.wire(previous, next_)
        await offload(self._begin_snapshots)
        self._loop = asyncio.get_running_loop()
        await offload(limit_blas, self.key)
        await self._start(ActorInfo(self._core.network, "gate", self._core.name), self._core, ended=self._ended)
        assert self._office is not None
        self._office.leaving.touched(self.key)  # by who deploys it

    async def wire(self, previous: Address | None, next_: Address | None, generation: int) -> None:
        """Go on with other neighbours. Done by the gate's thread.

        Raises
        ------
        ClosedError
            when an owner of a later generation has taken the network over.
        """
        await self._call(lambda: self._wire(previous, next_, generation))

    def _wire(self, previous: Address | None, next_: Address | None, generation: int) -> None:
        core = self._core
        if generation < core.generation:
            raise ClosedError(
                f"gate {core.name!r} belongs to generation {core.generation} of network {core.network!r}, not to "
                f"{generation}: another owner has taken it over, leave it to that one"
            )
        core.generation = generation
        if self._keeper is not None:
            self._keeper.raise_generation(generation)
        core.wire(previous, next_)

    async def _claim(self) -> None:
        resources = Resources.from_mapping(self._core.gate.resources)
        if resources:
            office = await PostOffice.of(self._worker)
            if self._closing.is_set() or self.key not in self._worker.state.actors:  # nobody would give it back
                raise ClosedError(f"gate {self._core.name!r} on {self.address.worker} was closed: deploy it again")
            office.claim(self.key, Claim(self._core.network, self._core.name, resources))

    def _figures(self, thread: ActorCell, now: float) -> GateMetrics:
        return metrics_of(self._core, thread, key=self.key, place=self._place, parameters=self._parameters, now=now)

    def _ended(self) -> None:
        """In the gate's thread, last."""
        try:
            release_blas(self.key)
        finally:
            self._end_snapshots()
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._closing.set)

    async def wait_until_closed(self, timeout: float, moves: bool = False, knows: bool = False) -> str | None:
        """Return after `timeout` seconds, or when the gate is closed: who waits learns of a worker's death at once.

        Parameters
        ----------
        moves
            the caller can move the gate elsewhere. When the worker is told to end, it is told so, `"leaving"`, until it
            has moved the gate or has said that it cannot: see `heed`.
        knows
            the caller has been told already that the worker leaves.
        """
        told = False
        if self._office is None or knows:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), timeout)
        else:
            told = await self._office.leaving.wait_for_drain(self.key, self._closing, timeout, moves=moves)
        if not self._closing.is_set():
            return "leaving" if told else None
        who = f"gate {self._core.name!r} on {self.address.worker}"
        if self._thread is not None and self._thread.error is not None:
            raise GateError(f"{who} broke: {self._thread.error!r}: see the worker's log, and deploy it again")
        if self._worker.status in ENDING:
            raise WorkerLostError(f"{who} ended with its worker: look at the worker's log, then deploy it again")
        raise ClosedError(f"{who} was closed: deploy it again")

    async def acknowledge_drain(self, refusal: str = "") -> None:
        """Its owner moves the gate off the worker, which waits for that; with a `refusal` it cannot. On the loop."""
        if self._office is not None:
            self._office.leaving.acknowledge(self.key, refusal)

    async def close(self) -> None:
        """End the gate. On the event loop."""
        self._closing.set()
        await super().close()

    async def parameters(self) -> tuple[int, Tree]:
        """The number of updates and the parameters, with every batch that has come home; read by the gate's thread.

        A gate sends a gradient on before it updates: who knows that the batch is home may ask in between. One that was
        closed still has them, until the last client lets go.
        """
        version: Version
        try:
            version = await self._call(lambda: self._core.version)
        except ClosedError:
            version = self._core.version
        return version.number, version.params

    async def replace(self, params: Tree) -> None:
        """Go on with other parameters. Done by the gate's thread."""
        await self._call(lambda: self._core.replace(params))

    async def statistics(self) -> GateStatistics:
        """What the gate did and holds; read by the gate's thread."""
        statistics: GateStatistics = await self._call(self._statistics)
        return statistics

    def _statistics(self) -> GateStatistics:
        assert self._thread is not None and self._office is not None
        return statistics_of(self._core, self._thread, self._office, self._keeper)
