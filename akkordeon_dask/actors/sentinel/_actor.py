"""The sentinel as a Dask actor."""

import asyncio
import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import TypeGuard

import numpy as np

from akkordeon_dask import config
from akkordeon_dask.actors._dask_actor import DaskActor, large
from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.sentinel._batch_reader import make_batch_reader, provider_error
from akkordeon_dask.actors.sentinel._behavior import BatchReady, SentinelBehavior, SentinelState
from akkordeon_dask.actors.sentinel._position import Opening, Position
from akkordeon_dask.actors.sentinel._position_snapshots import PositionSnapshots, describe_data, load_position
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.actors.sentinel._rollback import Rollbacks
from akkordeon_dask.actors.sentinel._source_checks import SourceChecks
from akkordeon_dask.actors.sentinel._statistics import SentinelStatistics, SentinelUpdate, UnacknowledgedReports
from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.data import AssignedSource, Assignment, ColumnNames, Source
from akkordeon_dask.errors import (
    AkkordeonError,
    ClosedError,
    DeadlineError,
    NonFiniteError,
    RolledBackError,
    SentinelError,
    WorkerLostError,
)
from akkordeon_dask.messages import Address, HeldSentinel, Leave, PassReport, Rollback, SentinelMetrics
from akkordeon_dask.network import Network, Sentinel
from akkordeon_dask.snapshots import SnapshotPolicy
from akkordeon_dask.tree import Array

__all__ = ["SentinelActor"]

_ENDED = "failed", "left"


class SentinelActor(DaskActor):
    """A sentinel on a worker. Created by `attach`, called by the runtime only.

    The constructor loads the data. `open` raises its errors to whoever attaches the sentinel: Dask would log a
    traceback for each actor whose constructor raises.

    Parameters
    ----------
    position
        of a former incarnation; None: from the start.
    former
        the address of that incarnation, which the gates drop.
    until
        passes after which it rests, of all incarnations; None: its own number.
    paused
        it waits until it is resumed.
    validated
        each of its passes is validated before the next one begins; see `clear`.
    policy
        of the network's snapshots; None: its position is not written.
    resume
        the policies of stores that may have its position from an earlier run.
    rollback
        the name of the last order to go back, which its position accounts for.
    first
        the position where its first incarnation has started; None: this is it.
    begun
        seconds since 1970 when the network was deployed.
    member
        of a group, whose passes are reported instead of its own.
    synchronous
        all gates update once a step.
    columns
        those that the network's data had before.
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
        validated: bool = False,
        policy: SnapshotPolicy | None = None,
        resume: Sequence[SnapshotPolicy] = (),
        rollback: str = "",
        first: Position | None = None,
        begun: float = 0.0,
        member: bool = False,
        synchronous: bool = False,
        columns: ColumnNames,
    ) -> None:
        super().__init__(key)
        self.network = network
        self._begun = begun or time.time()
        self._member = member
        self._sentinel, self._name = sentinel, name
        self._checks = SourceChecks(sentinel, name, spec, columns)
        self._former, self._until, self._paused = former, until, paused
        self._position = position
        """Where it was at the last timer; before it opens, where it starts. Replaced, never changed."""
        self._reports = UnacknowledgedReports()
        self._changed = asyncio.Event()
        self._closing = False
        self._moves = False
        """A successor continues. Set in its last turn, and read after it."""
        self._snapshots = PositionSnapshots(policy, sentinel, name, generation, on_failure=self._log_sentinel_event)
        self._behavior = SentinelBehavior(
            sentinel,
            name=name,
            address=self.address,
            network=network,
            generation=generation,
            clock=time.monotonic,
            send=self._office.send,
            report=self._report,
            notify=self._log_sentinel_event,
            changed=self._set_changed,
            check=self._checks.check_batch,
            timer=RetransmissionTimer(
                config.seconds("batch.deadline"),
                config.seconds("batch.min-deadline"),
                config.number("batch.deadline-factor"),
            ),
            max_attempts=config.whole("batch.max-attempts", 1),
            max_lost=config.fraction("batch.max-lost"),
        )
        self._behavior.validated, self._behavior.synchronous = validated, synchronous
        self._source = self._load(resume)
        first = first or self._position or Position()
        self._rollbacks = Rollbacks(sentinel, name, last=rollback, first=first)

    def _log_sentinel_event(self, event: str, text: str) -> None:
        """Any thread."""
        self._log_event(self.network, event, sentinel=self._name, text=text)

    # Opening: the data, then the first batches

    def _load(self, resume: Sequence[SnapshotPolicy]) -> Source | AkkordeonError:
        """Find the position to resume; returns the source, or the error with which the sentinel does not open."""
        sentinel = self._sentinel
        try:
            source = self._checks.open_source()
            if sentinel.mode == "train" and self._position is None:
                self._position = load_position(resume, sentinel, self._name)
            return source
        except BaseException as error:
            return provider_error(self._name, sentinel.provider, error)

    async def open(self, gates: tuple[Address, ...], rollback: Rollback | None = None) -> Opening:
        """Begin, and send the first batches. On the event loop.

        Returns when the first batch is drawn and fits, after `timeouts.first-batch` at the latest.

        Raises
        ------
        DataError, ShapeError, SentinelError, CheckpointError
            when the sentinel, its data as a whole, or the position to resume do not fit; nothing was sent.
        """
        if isinstance(self._source, AkkordeonError):
            raise self._source
        behavior = self._behavior
        behavior.rewire(gates, behavior.generation)
        goes_back = self._begin_at(rollback)
        behavior.passes.rest_after(self._until)
        if self._paused:
            behavior.pause()
        if self._source.samples is not None and not self._sentinel.endless:
            behavior.passes.batches = math.ceil(self._source.samples / self._sentinel.batch_size)
        await self._prepare(self._snapshots.begin, ended=self._ended)
        info = ActorInfo(self.network, "sentinel", self._name)
        cell = await self._start(info, behavior, observe=self._metrics, ended=self._ended)
        cell.freeze(self._statistics)
        if self._former is not None:
            for gate in gates:
                self._office.send(gate, Leave(self.network, self._former))
        behavior.reader = make_batch_reader(
            self._source,
            self._sentinel.batch_size,
            endless_passes=self._sentinel.endless,
            wake=lambda: cell.put(BatchReady()),
            name=f"akkordeon reader of {self._name}",
        )
        cell.put(BatchReady())
        if self._former is None:  # a former incarnation has tried the data
            await self._try_data()
        return Opening(self._position if goes_back else None, self._checks.columns)

    def _begin_at(self, rollback: Rollback | None) -> bool:
        """Begin at its position; True: a `rollback` that it did not know yet says where that is."""
        if goes_back := self._is_behind(rollback):
            self._position = self._rollbacks.follow(rollback)
        if self._position is not None:
            self._behavior.passes.resume(self._position, time.monotonic())
            self._behavior.clear(self._position.finished)
        return goes_back

    async def _try_data(self) -> None:
        """Wait for the first batch. A slow one is no error: it may still fail the sentinel later."""
        behavior = self._behavior
        with contextlib.suppress(TimeoutError):
            await self._wait_until(
                lambda: behavior.tried or behavior.error is not None or self._closing,
                config.seconds("timeouts.first-batch"),
            )
        if behavior.error is not None and not behavior.tried:  # later errors are for those who wait
            raise behavior.error

    async def _wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    # In a turn of the sentinel

    def _report(self, report: PassReport) -> None:
        now = time.time()
        report = dataclasses.replace(report, ended=now, elapsed=max(0.0, now - self._begun), key=self.key)
        self._reports.add(report)
        if not self._member:
            self._log_event(self.network, "pass", **report.as_dict())
        self._set_changed()

    def _metrics(self, cell: Cell, now: float) -> SentinelMetrics:
        self._update_position(now)
        behavior, passes = self._behavior, self._behavior.passes
        return SentinelMetrics(
            network=self.network,
            name=self._name,
            key=self.key,
            at=now,
            busy=cell.busy,
            mode=self._sentinel.mode,
            state=behavior.state,
            epoch=passes.epoch,
            epochs=passes.limit,
            samples=passes.samples,
            lost=passes.lost,
            resent=passes.resent,
            restarts=behavior.restarts,
            dropped=behavior.dropped,
            in_flight=behavior.in_flight,
            concurrency=behavior.sentinel.concurrency,
            progress=behavior.progress(now),
            waiting=0.0 if behavior.waits_since is None else now - behavior.waits_since,
            confusion=passes.news(now),
        )

    def _update_position(self, now: float) -> None:
        if self._behavior.state not in ("failed", "left"):
            self._position = self._behavior.passes.position(now)
            if self._position is not None:
                self._snapshots.maybe_write(self._position, now)

    def _set_changed(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._changed.set)

    def _leave(self) -> None:
        """From here on no batch completes any more."""
        self._update_position(time.monotonic())
        self._behavior.leave()

    def _leave_to_successor(self) -> None:
        self._moves = True
        self._leave()

    def _ended(self) -> None:
        """Last: the error that broke the thread becomes the sentinel's."""
        if (error := self._broken()) is not None:
            self._behavior.fail(error)
            self._set_changed()
        self._snapshots.close(None if self._moves else self._position, config.seconds("timeouts.close"))

    # Following

    def _broken(self) -> SentinelError | None:
        """The error that broke it."""
        if self._cell is None or self._cell.error is None:
            return None
        who = f"sentinel {self._name!r} on {self.address.worker}"
        return SentinelError(f"{who} broke: {self._cell.error!r}: see the worker's log")

    async def follow(self, cursor: int, state: SentinelState | None, timeout: float) -> SentinelUpdate:
        """The news since `cursor` and `state`; waits for them, at most `timeout` seconds. On the event loop."""
        deadline, leaving = self._loop.time() + timeout, self._moves_now()
        while len(self._reports) <= cursor and self._behavior.state == state and not (self._closing or leaving):
            self._changed.clear()
            left = deadline - self._loop.time()
            if left <= 0:
                break
            leaving = await self._wait_for_drain(left)
        if self._behavior.state == "left" and not self._closing:
            raise WorkerLostError(self._ending_text(f"sentinel {self._name!r} on {self.address.worker}"))
        return self._update(cursor, leaving)

    def _moves_now(self) -> bool:
        """A poll that finds news does not wait: it is a sign of life all the same, and learns of the drain."""
        if self._sentinel.mode == "predict":
            return False
        self._office.drain.touched(self.key)
        return self._office.drain.moves_now(self.key)

    async def _wait_for_drain(self, timeout: float) -> bool:
        """Wait for a change or for the worker's drain; True: the client should move the sentinel."""
        if self._sentinel.mode == "predict":  # a prediction is over soon, and its outputs are here
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout)
            return False
        return await self._office.drain.wait_for_drain(self.key, self._changed, timeout)

    def _update(self, cursor: int, leaving: bool = False) -> SentinelUpdate:
        # A turn adds a report before it changes the others: read in the opposite order, none is missed.
        behavior = self._behavior
        state, error, position = behavior.state, behavior.error or self._broken(), self._position
        metrics = self._cell.metrics if self._cell is not None else None
        progress = metrics.progress if isinstance(metrics, SentinelMetrics) else None
        reports = self._reports.since(cursor)
        ended = behavior.passes.ended if self._member else None
        until = behavior.passes.until
        return SentinelUpdate(reports, state, error, position, until, self._rollbacks.first, leaving, progress, ended)

    # Control

    async def stop_for_successor(self, cursor: int) -> SentinelUpdate:
        """Stop, for a successor to continue; returns the news since `cursor`. It stays here until it is closed."""
        await self._call(self._leave_to_successor)
        return self._update(cursor)

    async def rewire(self, gates: tuple[Address, ...], generation: int, rollback: Rollback | None = None) -> None:
        """Continue with other gates. Done in a turn of the sentinel.

        After a `rollback` that it does not know yet it fails instead, for its client to restart it where that says.

        Raises
        ------
        ClosedError
            when an owner of a later generation has taken the network over.
        """
        await self._call(lambda: self._rewire(gates, generation, rollback))

    async def interrupt(self, gate: Address, seconds: float) -> None:
        """A gate is lost and will be restarted: see `SentinelBehavior.interrupt`. Done in a turn of the sentinel."""
        await self._call(lambda: self._behavior.interrupt(gate, seconds))

    def _rewire(self, gates: tuple[Address, ...], generation: int, rollback: Rollback | None) -> None:
        behavior = self._behavior
        if generation < behavior.generation:
            raise ClosedError(
                f"sentinel {self._name!r} follows generation {behavior.generation} of network {self.network!r}, not "
                f"{generation}: another owner has taken it over, leave it to that one"
            )
        if self._is_behind(rollback):
            self._go_back(rollback)
            return
        if (gates, generation) != (behavior.gates, behavior.generation):  # else nothing need be resent
            behavior.rewire(gates, generation)

    def _is_behind(self, rollback: Rollback | None) -> TypeGuard[Rollback]:
        """It trains, and has not followed this order to go back yet."""
        return rollback is not None and self.trains and self._rollbacks.is_new(rollback)

    def _go_back(self, rollback: Rollback) -> None:
        behavior, passes = self._behavior, self._behavior.passes
        sent = passes.samples + passes.lost + behavior.samples_in_flight
        position = self._rollbacks.follow(rollback, sent)
        text = f"sentinel {self._name!r} goes back {position}, as all gates and sentinels do"
        self._position = position  # first: who reads the error reads the position too
        behavior.fail(RolledBackError(text, rollback.name))
        self._set_changed()

    async def resend(self) -> bool:
        """All gates were rewound, and have dropped the batches in flight: resend them. Done in a turn of the sentinel.

        Returns whether it had failed before by a loss that was not finite: of numbers that are gone now.
        """
        return await self._call(self._resend)

    def _resend(self) -> bool:
        self._behavior.resend_all()
        return isinstance(self._behavior.error, NonFiniteError)

    async def abandoned(self) -> int:
        """Samples of the passes that were open when it failed: see `SentinelBehavior.abandoned`."""
        return self._behavior.abandoned

    async def pause(self) -> None:
        """Send no more batches; returns when those in flight have completed. On the event loop."""
        await self._call(self._behavior.pause)
        await self._wait_until(lambda: not self._behavior.in_flight, config.seconds("timeouts.control"))

    async def resume(self, cursor: int = 0) -> SentinelUpdate:
        """Continue after a pause; returns the news since `cursor`."""
        await self._call(self._behavior.resume)
        return self._update(cursor)

    async def hold(self, cut: str, seconds: float) -> HeldSentinel | None:
        """Draw no more batches for a consistent cut; returns its part once all batches in flight are back.

        It goes on by itself after `seconds`. None: it does not train any more.

        Raises
        ------
        DeadlineError
            when its batches did not come back by then.
        """
        behavior, data = self._behavior, describe_data(self._sentinel)
        await self._call(lambda: behavior.hold(cut, seconds))
        with contextlib.suppress(TimeoutError):
            await self._wait_until(lambda: behavior.quiet or self._closing, seconds)
        part = await self._call(lambda: behavior.held_part(cut, data))
        if part is None and behavior.state not in _ENDED:
            raise DeadlineError(f"batches of sentinel {self._name!r} did not come back within {seconds:g} s")
        counted = behavior.passes.samples + behavior.passes.lost
        self._rollbacks.note_cut(cut, counted)
        return part if behavior.state not in _ENDED else None

    async def release_from(self, cut: str, go_on: bool) -> float | None:
        """Draw batches again, if it should `go_on`; see `SentinelBehavior.release_from`."""
        behavior = self._behavior
        seconds = await self._call(lambda: behavior.release_from(cut, go_on))
        return seconds if behavior.state not in _ENDED else None

    @property
    def trains(self) -> bool:
        """It changes the gates."""
        return self._sentinel.mode == "train" and self._behavior.state not in _ENDED

    async def count(self, epochs: int | None, cursor: int, least: int = 0) -> SentinelUpdate:
        """Rest after `epochs` more passes, not before `least` in all; see `SentinelBehavior.count`.

        Returns the news since `cursor`.

        Raises
        ------
        SpecError
            when `epochs` is no number of passes; nothing has changed then.
        """
        await self._call(lambda: self._behavior.count(epochs, least))
        return self._update(cursor)

    async def read(self, assignment: Assignment) -> None:
        """Make one more pass, over an assignment: of a member of a group, which rests."""
        source = self._source
        assert isinstance(source, AssignedSource)
        await self._call(lambda: self._behavior.read(source, assignment))

    async def rest_after(self, until: int | None) -> None:
        """Rest after this many passes in all; None: its own number."""
        await self._call(lambda: self._behavior.rest_after(until))

    async def validate_passes(self) -> None:
        """Have each of its passes from now on validated before the next one begins. Those that are open may overlap."""
        await self._call(self._validate_passes)

    def _validate_passes(self) -> None:
        behavior = self._behavior
        if not behavior.validated:
            behavior.validated, behavior.cleared = True, behavior.passes.finished

    async def clear(self, finished: int) -> None:
        """So many passes are validated, or need not be: the next one may begin."""
        await self._call(lambda: self._behavior.clear(finished))

    async def close(self) -> None:
        """End the sentinel; a pending long poll is answered. On the event loop."""
        self._closing = True
        self._changed.set()
        with contextlib.suppress(AkkordeonError, TimeoutError):  # where it does not answer, its last position counts
            await self._call(self._leave)
        await super().close()

    # Results

    @large
    async def outputs(self) -> Array:
        """The predictions for all samples, in order; concatenated in a turn of it."""
        return await self._call(self._outputs)

    def _outputs(self) -> Array:
        outputs = self._behavior.outputs
        return np.concatenate([outputs[sequence] for sequence in sorted(outputs)])

    async def statistics(self) -> SentinelStatistics:
        """The statistics of the sentinel, between two of its turns, or before a long one."""
        return await self._read(self._statistics)

    def _statistics(self, cell: Cell) -> SentinelStatistics:
        behavior = self._behavior
        return SentinelStatistics(
            sentinel=self._name,
            network=self.network,
            worker=self.address.worker,
            mode=self._sentinel.mode,
            state=behavior.state,
            last=self._reports.last,
            credits=behavior.credits,
            in_flight=behavior.in_flight,
            dropped=behavior.dropped,
            restarts=behavior.restarts,
            busy=cell.busy,
        )
