"""The gate as a Dask actor."""

import asyncio
import contextlib
import dataclasses
import time

from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask.actors._actor import ThreadedActor
from akkordeon_dask.actors._compute import acquire_compute, release_compute
from akkordeon_dask.actors._fetch import fetch
from akkordeon_dask.actors._gate_core import GateCore, Version
from akkordeon_dask.actors._gate_told import GateStatistics, figures_of, statistics_of
from akkordeon_dask.actors._handover import Handover
from akkordeon_dask.actors._keeper import Keeper, Keeping, restored
from akkordeon_dask.actors._post_office import PostOffice
from akkordeon_dask.actors._thread import ActorThread
from akkordeon_dask.actors._work import Work
from akkordeon_dask.errors import CheckpointError, ClosedError, GateError
from akkordeon_dask.messages import Address, GateFigures
from akkordeon_dask.network import Claim, Gate, Resources
from akkordeon_dask.parallel import helpers
from akkordeon_dask.tree import Tree, size

__all__ = ["GateActor"]

_SOON = 0.001

class GateActor(ThreadedActor):
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
        keeping: Keeping | None = None,
        restore: Keeping | None = None,
    ) -> None:
        super().__init__(key)
        self._place, self._keeping = place, keeping
        self._keeper: Keeper | None = None
        self._core = GateCore(
            gate,
            name=name,
            network=network,
            generation=generation,
            seed=seed,
            worker=self.address.worker,
            clock=time.monotonic,
            send=self._send,
            assist=self._assist,
            keep=self._keep,
        )
        if restore is not None:
            self._core.version = restored(restore, name, self._core.version) or self._core.version
        self._parameters = size(self._core.version.params, statistics=False)
        self._closing = asyncio.Event()

    def _assist(self, work: Work) -> bool:
        """Leave the work to a helper if another batch waits for this gate's thread and a core is idle."""
        return bool(self._thread and len(self._thread.mailbox)) and helpers.offer(lambda: self._aside(work))

    def _aside(self, work: Work) -> None:
        """In a helper's thread: the gate's takes the result as control, before what it sets off can come back."""
        thread = self._thread
        if thread is not None:
            work.compute()
            thread.mailbox.put(work)
            self._core.deliver(work)

    async def open(self, previous: Address | None, next_: Address | None) -> None:
        """Start the thread, with the gate's neighbours known. On the event loop.

        Raises
        ------
        PlacementError
            when the worker has no longer what the gate takes of it.
        """
        await self._claim()
        self._core.wire(previous, next_)
        if self._keeping is not None:
            self._keeper = self._kept(self._keeping)
        self._loop = asyncio.get_running_loop()
        acquire_compute(self.key)
        await self._start(f"gate {self._core.name}", self._core, ended=self._ended)

    def _kept(self, keeping: Keeping) -> Keeper:
        core = self._core

        def tell(event: str, text: str) -> None:
            self._tell(core.network, event, gate=core.name, text=text)

        keeper = Keeper(keeping, core.name, core.generation, tell=tell)
        keeper.put(core.version, time.monotonic())  # from the first update on there is something to go back to
        return keeper

    def _keep(self, version: Version, now: float) -> None:
        """In the gate's thread."""
        if self._keeper is not None:
            self._keeper.look(version, now)

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
            self._keeper.generation = generation
        core.wire(previous, next_)

    async def succeed(self, former: Address) -> None:
        """Go on where this gate's life on another worker ends, from now on. Before `open`, on the event loop."""
        self._core.take_over(await fetch(self._worker, former))

    async def hand_over(self) -> Handover:
        """End this life of the gate; gives what the next one goes on with. Done by the gate's thread."""
        while True:
            handover: Handover | None = await self._call(self._core.hand_over)
            if handover is not None:
                return handover
            await asyncio.sleep(_SOON)

    async def hand_back(self) -> None:
        """Go on with this life after all. Done by the gate's thread."""
        await self._call(lambda: setattr(self._core, "retired", False))

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
        version = restored(self._keeping, core.name, core.version) if self._keeping is not None else None
        if version is None:
            raise CheckpointError(f"gate {core.name!r} has no snapshot to go back to: give deploy(snapshots=URL)")
        core.version = Version(core.version.number + 1, version.params, version.state)
        core.gate = dataclasses.replace(core.gate, optimizer=core.gate.optimizer.slowed(factor))
        core.drop_contexts()
        return version.number

    async def snapshot(self) -> int:
        """Write the present version down, and wait until it is written; gives its number.

        Raises
        ------
        CheckpointError
            when the network keeps no snapshots.
        """
        if self._keeper is None:
            raise CheckpointError(f"gate {self._core.name!r} keeps no snapshots: give deploy(snapshots=URL)")
        keeper = self._keeper
        number: int = await self._call(lambda: keeper.put(self._core.version, time.monotonic()))
        await offload(keeper.flush, config.seconds("timeouts.control"))
        return number

    async def _claim(self) -> None:
        resources = Resources.told(self._core.gate.resources)
        if resources:
            office = await PostOffice.of(self._worker)
            if self._closing.is_set() or self.key not in self._worker.state.actors:  # nobody would give it back
                raise ClosedError(f"gate {self._core.name!r} on {self.address.worker} was closed: deploy it again")
            office.claim(self.key, Claim(self._core.network, self._core.name, resources))

    def _figures(self, thread: ActorThread, now: float) -> GateFigures:
        return figures_of(self._core, thread, key=self.key, place=self._place, parameters=self._parameters, now=now)

    def _ended(self) -> None:
        """In the gate's thread, last."""
        release_compute(self.key)
        if self._keeper is not None:
            self._keeper.close(config.seconds("timeouts.close"))
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._closing.set)

    async def pulse(self, timeout: float) -> None:
        """Return after `timeout` seconds, or when the gate is closed: who waits learns of a worker's death at once."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), timeout)
            who = f"gate {self._core.name!r} on {self.address.worker}"
            if self._thread is not None and self._thread.error is not None:
                raise GateError(f"{who} broke: {self._thread.error!r}: see the worker's log, and deploy it again")
            raise ClosedError(f"{who} was closed: deploy it again")

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
        return statistics_of(self._core, self._thread, self._office)
