"""The gate as a Dask actor."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from akkordeon_dask import config
from akkordeon_dask._pieces import Leaf, Parcel, Piece, Spans
from akkordeon_dask.actors._dask_actor import DaskActor, large
from akkordeon_dask.actors._offload import offload
from akkordeon_dask.actors.engine._blas import enforce_blas, limit_blas, release_blas
from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.gate._cuts import TakenCuts
from akkordeon_dask.actors.gate._in_flight import SeenBatches
from akkordeon_dask.actors.gate._migration import HANDOVER_OP, Migration, handover_handler
from akkordeon_dask.actors.gate._snapshots import GateSnapshots, load_version
from akkordeon_dask.actors.gate._state import Version
from akkordeon_dask.actors.gate._statistics import GateStatistics, metrics_of, statistics_of
from akkordeon_dask.actors.gate._transfers import GateTransfers
from akkordeon_dask.actors.shutdown._drain import ActorInfo
from akkordeon_dask.errors import CheckpointError, ClosedError, GateError, WorkerLostError
from akkordeon_dask.messages import Address, GateMetrics, HeldSentinel
from akkordeon_dask.network import Claim, Gate, Resources
from akkordeon_dask.snapshots import Cut, SnapshotPolicy, save_manifest
from akkordeon_dask.tree import Tree, leaves, size

__all__ = ["GateActor"]


class GateActor(DaskActor):
    """A gate on a worker. Created by `deploy`, called by the runtime only.

    Parameters
    ----------
    position
        of the gate in its network, from 0.
    policy
        of its snapshots; None: it writes none.
    restore
        the policy whose newest snapshot it continues with.
    resume
        that snapshot is required.
    bare
        it has no parameters before `import_from`.
    n_microbatches
        of a step, after which all gates update; None: each updates by itself.
    """

    def __init__(
        self,
        key: str,
        gate: Gate,
        *,
        name: str,
        position: int,
        network: str,
        generation: int,
        seed: int,
        policy: SnapshotPolicy | None = None,
        restore: SnapshotPolicy | None = None,
        resume: bool = False,
        bare: bool = False,
        n_microbatches: int | None = None,
    ) -> None:
        super().__init__(key)
        self._position = position
        self._snapshots = GateSnapshots(
            policy, name, generation, state_format=gate.optimizer.state_format, on_failure=self._log_gate_event
        )
        self._behavior = GateBehavior(
            gate,
            name=name,
            network=network,
            generation=generation,
            seed=seed,
            worker=self.address.worker,
            clock=time.monotonic,
            send=self._office.send,
            keep=self._snapshots.maybe_write if policy is not None else None,
            bare=bare,
            address=self.address,
            n_microbatches=n_microbatches,
        )
        label = f"gate {name!r} on {self.address.worker}"
        self._transfers = GateTransfers(label)
        self._cuts = TakenCuts(label, self._loop)
        self.migration = Migration(self._behavior, self._worker, self._call, self._transfers)
        if restore is not None:
            self._restore(restore, required=resume)
        self._parameters = size(self._behavior.versions.present.params, statistics=False)
        self._closed = asyncio.Event()

    def _restore(self, policy: SnapshotPolicy, *, required: bool) -> None:
        """Continue with the newest snapshot."""
        behavior = self._behavior
        version = load_version(policy, behavior.name, behavior.versions.present, behavior.gate.optimizer.state_format)
        if version is not None:
            behavior.versions.present = version
            if self._snapshots.policy is not None and self._snapshots.policy.url == policy.url:
                self._snapshots.restored = version.number
            return
        text = f"no intact snapshot of gate {behavior.name!r} in {policy.url!r}"
        if required:
            raise CheckpointError(f"{text}: give the URL of this network's snapshots")
        self._log_gate_event("no snapshot", f"{text}: it starts with its initial parameters")

    def _log_gate_event(self, event: str, text: str) -> None:
        """Any thread."""
        self._log_event(self._behavior.network, event, gate=self._behavior.name, text=text)

    # Opening and closing

    async def open(self, previous: Address | None, next_: Address | None) -> None:
        """Begin, with the gate's neighbours known. On the event loop.

        Raises
        ------
        PlacementError
            when the worker lacks the resources that the gate reserves.
        """
        self._reserve_resources()
        self._office.register(HANDOVER_OP, handover_handler(self._worker))
        self._behavior.wire(previous, next_)
        await self._prepare(self._begin_snapshots, partial(limit_blas, self.key), ended=self._ended)
        info = ActorInfo(self._behavior.network, "gate", self._behavior.name)
        cell = await self._start(info, self._behavior, observe=self._metrics, ended=self._ended)
        cell.mailbox.entry = previous is None
        cell.freeze(self._statistics)
        self._office.drain.touched(self.key)  # by whoever deploys it

    def _reserve_resources(self) -> None:
        behavior = self._behavior
        resources = Resources.from_mapping(behavior.gate.resources)
        if resources:
            if self._closed.is_set() or self.key not in self._worker.state.actors:  # nobody would release them
                raise ClosedError(f"gate {behavior.name!r} on {self.address.worker} was closed: deploy it again")
            self._office.claim(self.key, Claim(behavior.network, behavior.name, resources))

    def _begin_snapshots(self) -> None:
        """Write the first snapshot: from the first update on there is a version to go back to."""
        self._snapshots.begin()
        self._snapshots.write(self._behavior.versions.present, time.monotonic())

    def _ended(self) -> None:
        """Last, in a thread of its own: the last snapshot takes its time."""
        try:
            release_blas(self.key)
        finally:
            last = None if self._behavior.migrating else self._behavior.versions.present
            self._snapshots.close(last, config.seconds("timeouts.close"))
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._closed.set)

    async def close(self) -> None:
        """End the gate. On the event loop."""
        self._closed_by_client = True
        self._closed.set()
        self.migration.release()
        await super().close()

    async def wait_until_closed(self, timeout: float, moves: bool = False, knows: bool = False) -> str | None:
        """Return after `timeout` seconds, or as soon as the gate is closed: a long poll notices a worker's death.

        Parameters
        ----------
        moves
            the caller can move the gate to another worker. When its worker starts to drain the answer is `"leaving"`,
            until the caller has moved the gate or refused to: see `acknowledge_drain`.
        knows
            the caller knows already that the worker drains.
        """
        await offload(enforce_blas)
        leaving = False
        if knows:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), timeout)
        else:
            leaving = await self._office.drain.wait_for_drain(self.key, self._closed, timeout, moves=moves)
        if not self._closed.is_set():
            return "leaving" if leaving else None
        who = f"gate {self._behavior.name!r} on {self.address.worker}"
        if self._cell is not None and self._cell.error is not None:
            raise GateError(f"{who} broke: {self._cell.error!r}: see the worker's log, and deploy it again")
        if self._closed_by_client:
            raise ClosedError(f"{who} was closed: deploy it again")
        raise WorkerLostError(self._ending_text(who))

    # Wiring and migration

    async def wire(
        self, previous: Address | None, next_: Address | None, generation: int, entry: Address | None
    ) -> None:
        """Continue with other neighbours, and another first gate. Done in a turn of the gate.

        Raises
        ------
        ClosedError
            when an owner of a later generation has taken the network over.
        """
        await self._call(lambda: self._wire(previous, next_, generation, entry))

    def _wire(self, previous: Address | None, next_: Address | None, generation: int, entry: Address | None) -> None:
        self._check_generation(generation)
        behavior = self._behavior
        behavior.generation = generation
        self._snapshots.raise_generation(generation)
        behavior.wire(previous, next_, entry)
        if self._cell is not None:
            self._cell.mailbox.entry = previous is None

    def _check_generation(self, generation: int) -> None:
        behavior = self._behavior
        if generation < behavior.generation:
            raise ClosedError(
                f"gate {behavior.name!r} belongs to generation {behavior.generation} of network {behavior.network!r}, "
                f"not to {generation}: another owner has taken it over, leave it to that one"
            )

    async def import_from(self, former: Address, ahead: bool) -> float:
        """Continue where the gate's incarnation on another worker stops; see `Migration.import_from`. Before `open`."""
        seconds = await self.migration.import_from(former, ahead=ahead)
        self._parameters = size(self._behavior.versions.present.params, statistics=False)
        return seconds

    async def nbytes(self) -> int:
        """Bytes of the parameters and of the optimizer's state."""
        version = self._behavior.versions.present
        return sum(leaf.nbytes for leaf in [*leaves(version.params), *leaves(version.state.slots)])

    async def cancel_migration(self) -> None:
        """Continue with this incarnation after all."""
        await self.migration.cancel()

    # Parameters and snapshots

    @large
    async def parameters(self, rated: bool = False) -> tuple[int, Tree]:
        """The number of updates and the parameters, with the update of every completed batch.

        `rated`: those that validation, tests and predictions use.

        A gate sends a gradient on before it updates, and the caller may ask in between: so a turn of the gate
        reads them. A closed gate still has its parameters, until the last client releases it.
        """
        version = await self._version()
        return version.number, self._behavior.versions.rated_params(version) if rated else version.params

    async def updates(self) -> int:
        """The number of updates, with that of every completed batch, which `statistics` may not show yet."""
        return (await self._version()).number

    async def _version(self) -> Version:
        behavior = self._behavior
        try:
            return await self._call(lambda: behavior.versions.present)
        except (ClosedError, WorkerLostError):
            return behavior.versions.present

    # Parameters in pieces: each transfer has a token

    async def hold(self, token: str, cut: str | None, rated: bool = False) -> tuple[Leaf, ...]:
        """Hand out the parameters of the cut of this name, which is forgotten, or the present ones; their leaves.

        `rated`: those that validation, tests and predictions use.
        """
        version = await self._version() if cut is None else self._cuts.take(cut).version
        return self._transfers.hold(token, self._behavior.versions.rated_params(version) if rated else version.params)

    async def stage(self, token: str) -> tuple[Leaf, ...]:
        """Take other parameters in, off the present ones, until they are committed; their leaves."""
        return self._transfers.stage(token, self._behavior.versions.present.params)

    async def renew(self, token: str) -> None:
        """The owner of a transfer lives; see `GateTransfers.renew`."""
        self._transfers.renew(token)

    @large
    async def read_piece(self, token: str, spans: Spans) -> Piece:
        """A piece of the parameters that are handed out."""
        return await self._transfers.read(token, spans)

    @large
    async def write_piece(self, token: str, spans: Spans, parcel: Parcel) -> None:
        """Take in a piece of other parameters."""
        await self._transfers.write(token, spans, parcel.open())

    async def prepare(self, token: str) -> None:
        """Have everything for the parameters that were taken in, all of them, so that `commit` takes no time."""
        await self._transfers.finish(token, self._behavior.versions.prepare)

    async def commit(self, token: str) -> None:
        """Continue with the parameters that were taken in. Done in a turn of the gate."""
        params, state = self._transfers.take(token)
        await self._call(lambda: self._change(lambda: self._behavior.replace(params, state)))

    async def release(self, token: str) -> None:
        """Drop what is handed out or was taken in."""
        self._transfers.release(token)

    @large
    async def held_parameters(self, token: str) -> Tree:
        """All that is handed out under a token, at once."""
        return self._transfers.held(token)

    @large
    async def rated_parameters(self, actor: str, number: int) -> Tree | None:
        """The parameters that a pass rates, or has just rated; None where the gate does not know them (any more).

        It knows those of a sentinel's last two passes, until the lease of the pass lapses.

        Parameters
        ----------
        actor, number
            the key of the sentinel's actor, and the number of its pass.
        """
        return await self._call(lambda: self._behavior.rated_parameters(actor, number))

    async def slow(self, factor: float, least: float = 0.0) -> None:
        """Go on with all learning rates times `factor`, but not below their `least` share. In a turn of the gate."""
        await self._call(lambda: self._change(lambda: self._behavior.slow(factor, least)))

    def _change(self, change: Callable[[], None]) -> None:
        """Make a change, and have a snapshot written: a restart before the next one must not undo it."""
        change()
        self._snapshots.write(self._behavior.versions.present, time.monotonic())

    async def rewind(self, factor: float) -> int:
        """Go back to the newest snapshot, with learning rates times `factor`; returns its number. In a turn.

        Batches in flight are dropped: they were computed with the numbers that went wrong.

        Raises
        ------
        CheckpointError
            when there is no snapshot, or the network writes none.
        """
        await offload(self._snapshots.flush, config.seconds("timeouts.control"))
        return await self._call(lambda: self._rewind(factor))

    def _rewind(self, factor: float) -> int:
        behavior, policy = self._behavior, self._snapshots.policy
        version = load_version(policy, behavior.name, behavior.versions.present) if policy is not None else None
        if version is None:
            raise CheckpointError(f"gate {behavior.name!r} has no snapshot to go back to: give deploy(snapshots=URL)")
        self._change(lambda: behavior.rewind(version, factor))
        return version.number

    async def fence(self, actor: str, since: int) -> SeenBatches:
        """Take nothing more of a sentinel that is gone; returns what is known of its batches from `since` on.

        A call that is repeated, as its answer was lost, gets the answer of the first.
        """
        return await self._call(lambda: self._behavior.fence(actor, since))

    async def snapshot(self) -> int:
        """Write the present version, and wait until it is written; returns its number.

        Raises
        ------
        CheckpointError
            when it cannot be written, or the network writes no snapshots.
        """
        if self._snapshots.policy is None:
            raise CheckpointError(f"gate {self._behavior.name!r} keeps no snapshots: give deploy(snapshots=URL)")
        number = await self._call(lambda: self._snapshots.write(self._behavior.versions.present, time.monotonic()))
        await offload(self._snapshots.flush, config.seconds("timeouts.control"))
        self._snapshots.check_written(number)
        return number

    # Consistent cuts

    async def take_cut(self, name: str, held: Mapping[str, HeldSentinel]) -> tuple[int, Mapping[str, tuple[int, ...]]]:
        """Keep a reference to the present version for a cut, while all training sentinels wait.

        Returns its number, and by the key of a sentinel's actor those of its lost batches that the gate was updated
        with.

        Parameters
        ----------
        held
            the sentinels, by the key of their actors.

        Raises
        ------
        CheckpointError
            when the gate still has batches of others.
        """
        cut = await self._call(lambda: self._behavior.take_cut(name, held))
        self._cuts.keep(cut)
        return cut.version.number, cut.applied

    async def write_part(self, name: str, seconds: float) -> None:
        """Write the gate's part of the cut of this name, which is forgotten; return when it is written.

        Raises
        ------
        CheckpointError
            when it cannot be written, or not within `seconds`.
        """
        cut = self._cuts.take(name)
        written = await offload(self._snapshots.write_part, cut)
        try:
            await asyncio.wait_for(asyncio.wrap_future(written), seconds)
        except TimeoutError:
            late = f"gate {self._behavior.name!r} did not write its part of a cut within {seconds:g} s"
            raise CheckpointError(f"{late}: see whether its storage answers") from None

    async def note_cut(self, number: int) -> None:
        """All gates have written their parts of a cut, where this one's is the version of this number."""
        await self._call(lambda: self._snapshots.note_cut(number, time.monotonic()))

    async def finish_cut(self, cut: Cut, generation: int, earlier: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the manifest of a cut whose parts are written, on behalf of all gates.

        Raises
        ------
        CheckpointError
            when it cannot be written.
        ClosedError
            when an owner of a later generation has taken the network over.
        """
        policy = self._snapshots.policy
        assert policy is not None
        self._check_generation(generation)
        await offload(save_manifest, policy, cut, generation, earlier)

    # Figures

    def _metrics(self, cell: Cell, now: float) -> GateMetrics:
        """In a turn of the gate, or between two."""
        position, parameters = self._position, self._parameters
        return metrics_of(self._behavior, cell, key=self.key, position=position, parameters=parameters, now=now)

    async def statistics(self) -> GateStatistics:
        """The statistics of the gate, between two of its turns, or before a long one."""
        return await self._read(self._statistics)

    def _statistics(self, cell: Cell) -> GateStatistics:
        return statistics_of(self._behavior, cell, tuple(self._office.statistics()), self._snapshots)
