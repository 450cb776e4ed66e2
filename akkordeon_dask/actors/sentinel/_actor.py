"""The sentinel as a Dask actor."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from akkordeon_dask import config
from akkordeon_dask.actors._dask_actor import ENDING
from akkordeon_dask.actors.engine._cell import ActorCell
from akkordeon_dask.actors.sentinel._batch_reader import make_batch_reader
from akkordeon_dask.actors.sentinel._behavior import SentinelBehavior, SentinelState
from akkordeon_dask.actors.sentinel._driver import BatchReady, Driver
from akkordeon_dask.actors.sentinel._life import SentinelLife
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.actors.sentinel._statistics import SentinelStatistics, SentinelUpdate, UnacknowledgedReports
from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.data import Batch, open_source
from akkordeon_dask.errors import AkkordeonError, ClosedError, DataError, SentinelError, WorkerLostError
from akkordeon_dask.messages import Address, Leave, PassReport, SentinelMetrics
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.snapshots._policy import SnapshotPolicy
from akkordeon_dask.tree import Array

__all__ = ["SentinelActor"]


class SentinelActor(SentinelLife):
    """A sentinel on a worker. Made by `attach`, called by the runtime only.

    The constructor loads the data. What is wrong with them is raised by `open`, to who attaches it: Dask would log a
    traceback for each actor that it cannot make.
    """

    def __init__(
        self,
        key: str,
        sentinel: Sentinel,
        *,
        name: str,
        network: str,
        generation: int,
        spec: Network,
        position: Position | None = None,
        former: Address | None = None,
        until: int | None = None,
        paused: bool = False,
        keeping: SnapshotPolicy | None = None,
        resume: Sequence[SnapshotPolicy] = (),
        begun: float = 0.0,
    ) -> None:
        super().__init__(key)
        self._begun = begun or time.time()
        self._position, self._former, self._keeping = position, former, keeping
        self._until, self._paused = until, paused
        self.network = network
        self._sentinel, self._name, self._generation = sentinel, name, generation
        self._spec = spec
        self._reports = UnacknowledgedReports()
        self._news = asyncio.Event()
        self._closing = False
        self._refusal: AkkordeonError | None = None
        try:
            self._load(resume)
        except AkkordeonError as error:
            self._refusal = error
        except BaseException as error:
            text = f"sentinel {name!r}: {sentinel.provider!r} raised {error!r}: mend the provider"
            self._refusal = SentinelError(text)

    def _load(self, resume: Sequence[SnapshotPolicy]) -> None:
        sentinel = self._sentinel
        self._source = source = open_source(sentinel.provider)
        self._check(source.labelled is not False, source.shape, source.dtype)
        if source.samples is not None and not sentinel.batches_per_pass:
            source.batches(1, sentinel.batch_size)
        self._resume(resume)

    def _check(self, labelled: bool, shape: tuple[int, ...] | None, dtype: "np.dtype[Any] | None") -> None:
        """Whether the network takes such samples, and there are targets where they are needed."""
        sentinel = self._sentinel
        if not labelled and sentinel.mode != "predict":
            raise DataError(
                f"sentinel {self._name!r} compares with targets, {sentinel.provider!r} has none: give it labels"
            )
        self._spec.check_input(shape, dtype)

    def _check_batch(self, batch: Batch) -> None:
        x, y = batch
        self._check(y is not None, x.shape[1:], x.dtype)

    async def open(self, gates: tuple[Address, ...]) -> None:
        """Start the thread, which sends the first batches. On the event loop.

        Returns when the first batch of the data is drawn and was right, after `timeouts.first-batch` at the latest.

        Raises
        ------
        DataError, ShapeError, SentinelError, CheckpointError
            what was wrong with it, with the data as a whole, or with the position to resume; nothing was sent.
        """
        if self._refusal is not None:
            raise self._refusal
        self._loop = asyncio.get_running_loop()
        core = SentinelBehavior(
            self._sentinel,
            name=self._name,
            address=self.address,
            network=self.network,
            generation=self._generation,
            gates=gates,
            clock=time.monotonic,
            send=self._send,
            report=self._report,
            tell=self._log_event,
            deadline=RetransmissionTimer(
                config.seconds("batch.deadline"),
                config.seconds("batch.min-deadline"),
                config.number("batch.deadline-factor"),
            ),
            max_attempts=config.whole("batch.max-attempts", 1),
        )
        if self._position is not None:
            core.passes.go_on(self._position, time.monotonic())
        core.passes.rest_after(self._until)
        if self._paused:
            core.pause()
        self._core = core
        await self._begin_snapshots()
        self._driver = Driver(core, changed=self._changed, check=self._check_batch)
        who = ActorInfo(self.network, "sentinel", self._name)
        thread = await self._start(who, self._driver, ended=self._ended)
        if self._former is not None:
            for gate in gates:
                self._send(gate, Leave(self.network, self._former))
        self._driver.feed = make_batch_reader(
            self._source,
            self._sentinel.batch_size,
            endless_passes=bool(self._sentinel.batches_per_pass),
            wake=lambda: thread.mailbox.put(BatchReady()),
            name=f"akkordeon feed of {self._name}",
        )
        thread.mailbox.put(BatchReady())
        if self._former is None:  # else the data were tried by a former life
            await self._try_data()

    async def _try_data(self) -> None:
        """Wait for the first batch. One that takes longer is no error: what it is then ends the sentinel, or not."""
        deadline = self._loop.time() + config.seconds("timeouts.first-batch")
        while not (self._driver.tried or self._core.error or self._closing):
            self._news.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                return
        if self._core.error is not None and not self._driver.tried:  # later ones are for those who wait
            raise self._core.error

    def _report(self, report: PassReport) -> None:
        """In the sentinel's thread."""
        now = time.time()
        report = dataclasses.replace(report, ended=now, elapsed=max(0.0, now - self._begun), key=self.key)
        self._reports.add(report)
        self._tell(self.network, "pass", **report.as_dict())
        self._changed()

    def _figures(self, thread: ActorCell, now: float) -> SentinelMetrics:
        core, passes = self._core, self._core.passes
        self._maybe_write_position(now)
        return SentinelMetrics(
            network=self.network,
            name=self._name,
            key=self.key,
            at=now,
            busy=thread.busy,
            mode=self._sentinel.mode,
            state=core.state,
            epoch=passes.epoch,
            epochs=passes.limit,
            samples=passes.samples,
            lost=passes.lost,
            resent=passes.resent,
            restarts=core.restarts,
            dropped=core.dropped,
            in_flight=core.in_flight,
            concurrency=self._sentinel.concurrency,
            progress=passes.progress(self._source.samples, now),
        )

    def _changed(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._news.set)

    def _ended(self) -> None:
        """In the sentinel's thread, last: what broke it becomes its error."""
        if (error := self._broken()) is not None:
            self._core.fail(error)
            self._changed()
        self._end_snapshots()

    def _broken(self) -> SentinelError | None:
        """The error that ended its thread before its time."""
        if self._thread is None or self._thread.error is None:
            return None
        who = f"sentinel {self._name!r} on {self.address.worker}"
        return SentinelError(f"{who} broke: {self._thread.error!r}: see the worker's log")

    async def follow(self, cursor: int, state: SentinelState | None, timeout: float) -> SentinelUpdate:
        """What is new since `cursor` and `state`; waits for it, at most `timeout` seconds. On the event loop."""
        deadline, leaves = self._loop.time() + timeout, False
        while len(self._reports) <= cursor and self._core.state == state and not (self._closing or leaves):
            self._news.clear()
            left = deadline - self._loop.time()
            if left <= 0:
                break
            leaves = await self._wait_for_drain(self._news, left)
        if self._core.state == "left" and self._worker.status in ENDING:
            who = f"sentinel {self._name!r} on {self.address.worker}"
            raise WorkerLostError(f"{who} ended with its worker: look at the worker's log, then attach it again")
        return self._progress(cursor, leaves)

    async def stop_for_successor(self, cursor: int) -> SentinelUpdate:
        """Stop, for another life to go on; gives what is new since `cursor`. It is still here until it is closed."""
        await self._call(self._stop_for_successor)
        return self._progress(cursor)

    def _stop_for_successor(self) -> None:
        self._moves = True
        self._stop()

    def _progress(self, cursor: int, leaves: bool = False) -> SentinelUpdate:
        # The thread adds a report before it changes the others: read the other way round, none is missed.
        state, error, position = self._core.state, self._core.error or self._broken(), self._position
        until = self._core.passes.until
        figures = self._thread.figures if self._thread is not None else None
        running = figures.progress if isinstance(figures, SentinelMetrics) else None
        return SentinelUpdate(self._reports.since(cursor), state, error, position, until, leaves, running)

    async def rewire(self, gates: tuple[Address, ...], generation: int) -> None:
        """Go on with other gates. Done by the sentinel's thread.

        Raises
        ------
        ClosedError
            when an owner of a later generation has taken the network over.
        """
        await self._call(lambda: self._rewire(gates, generation))

    def _rewire(self, gates: tuple[Address, ...], generation: int) -> None:
        core = self._core
        if generation < core.generation:
            raise ClosedError(
                f"sentinel {self._name!r} hears generation {core.generation} of network {self.network!r}, not "
                f"{generation}: another owner has taken it over, leave it to that one"
            )
        if (gates, generation) != (core.gates, core.generation):  # who heard it already need not send all again
            core.rewire(gates, generation)

    async def pause(self) -> None:
        """Send nothing more; returns when what was under way is home. On the event loop."""
        await self._call(self._core.pause)
        deadline = self._loop.time() + config.seconds("timeouts.control")
        while self._core.in_flight:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), deadline - self._loop.time())

    async def resume(self, cursor: int) -> SentinelUpdate:
        """Go on after a pause; gives what is new since `cursor`."""
        await self._call(self._core.resume)
        return self._progress(cursor)

    async def count(self, epochs: int | None, cursor: int) -> SentinelUpdate:
        """Make `epochs` more passes from now on, and rest; see `SentinelBehavior.count`. Returns news since `cursor`.

        Raises
        ------
        SpecError
            when `epochs` is no number of passes; nothing has changed then.
        """
        await self._call(lambda: self._core.count(epochs))
        return self._progress(cursor)

    async def rest_after(self, until: int | None) -> None:
        """Rest when so many passes are done in all; None: as it was written."""
        await self._call(lambda: self._core.rest_after(until))

    async def go_on(self) -> None:
        """Go on after a pause, for somebody who does not follow it. On the event loop."""
        await self._call(self._core.resume)

    async def outputs(self) -> Array:
        """What the network predicted for all samples, in order; put together by the sentinel's thread."""
        outputs: Array = await self._call(self._outputs)
        return outputs

    def _outputs(self) -> Array:
        parts = self._core.outputs
        return np.concatenate([parts[sequence] for sequence in sorted(parts)])

    async def close(self) -> None:
        """End the sentinel; who follows it is answered. On the event loop."""
        self._closing = True
        self._news.set()
        await super().close()

    async def statistics(self) -> SentinelStatistics:
        """What the sentinel holds; read by its thread."""
        statistics: SentinelStatistics = await self._call(self._statistics)
        return statistics

    def _statistics(self) -> SentinelStatistics:
        core = self._core
        assert self._thread is not None
        return SentinelStatistics(
            sentinel=self._name,
            network=self.network,
            worker=self.address.worker,
            mode=self._sentinel.mode,
            state=core.state,
            last=self._reports.last,
            credits=core.credits,
            in_flight=core.in_flight,
            dropped=core.dropped,
            restarts=core.restarts,
            busy=self._thread.busy,
        )
