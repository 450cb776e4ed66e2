"""Gates are created on workers and wired to each other; the snapshots that they write."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from distributed import Client, Future, get_worker
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask._durations import parse_duration
from akkordeon_dask._numbers import check_count
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import CheckpointError, DeadlineError, PlacementError, SpecError
from akkordeon_dask.messages import Address, gate_key
from akkordeon_dask.network import Gate, Network
from akkordeon_dask.runtime._cut_short import together
from akkordeon_dask.runtime._registry import NetworkEntry
from akkordeon_dask.runtime.cluster._payload import submitted
from akkordeon_dask.runtime.handles._gate import GateHandle, release_gates
from akkordeon_dask.snapshots import POSITIONS, SnapshotPolicy, base_url, complete_cuts, find_runs, last_generation

__all__ = ["FoundSnapshots", "GateFactory", "discard", "find_snapshots", "read_positions", "snapshot_policy", "wire"]

logger = logging.getLogger(__name__)

_EACH_ALONE = "each gate is resumed from its own newest snapshot, which may be of another moment than its neighbours'"


@dataclass(frozen=True)
class GateFactory:
    """Creates gates of a network on workers, the first time and again."""

    client: Client
    network: Network
    entry: NetworkEntry

    async def create(
        self,
        workers: Mapping[int, str],
        *,
        restore: SnapshotPolicy | None = None,
        must: bool = False,
        insist: bool = True,
        bare: bool = False,
    ) -> list[GateHandle]:
        """Create gates, by the position of each gate and the address of its worker; they are not wired yet.

        Parameters
        ----------
        restore
            they resume from the newest snapshots there.
        must
            each needs to have one; else a gate that has none begins with its first parameters.
        insist
            it waits for workers whose threads are all taken by tasks, up to `timeouts.deploy`.
        bare
            they have no parameters, and take over those of former incarnations.

        Raises
        ------
        DeploymentError
            when a worker cannot create one.
        PlacementError
            when a worker cannot compute a layer.
        CheckpointError
            when a snapshot to `restore` cannot be read.
        """
        limit = config.seconds("timeouts.deploy")
        gates: list[GateHandle] = []
        names = self.network.names
        try:
            async with contextlib.AsyncExitStack() as stack:
                for position, worker in workers.items():
                    name = names[position]
                    future = await stack.enter_async_context(self._submit(position, name, worker, restore, must, bare))
                    gates.append(GateHandle(name, worker, future))
                return await together(gate.wait_until_created(limit, insist=insist) for gate in gates)
        except BaseException:
            release_gates(gates)
            raise

    def _submit(
        self, position: int, name: str, worker: str, restore: SnapshotPolicy | None, must: bool, bare: bool
    ) -> contextlib.AbstractAsyncContextManager[Future[Any]]:
        entry = self.entry
        return submitted(
            self.client,
            _create_gate,
            gate_key(entry.name, name),
            self.network.gates[position],
            worker=worker,
            label=f"gate {name!r}",
            name=name,
            position=position,
            network=entry.name,
            generation=entry.generation,
            seed=entry.seed,
            policy=entry.snapshots,
            restore=restore,
            resume=must,
            bare=bare,
            n_microbatches=entry.n_microbatches,
        )


def _create_gate(key: str, gate: Gate, *, name: str, **options: Any) -> GateActor:
    """On its worker, in a thread.

    Raises
    ------
    PlacementError
        when the worker cannot compute a layer: names it.
    """
    try:
        gate.chain.check_here()
    except PlacementError as error:
        raise PlacementError(f"gate {name!r} on {get_worker().address}: {error}") from error
    return GateActor(key, gate, name=name, **options)


async def wire(
    gates: Sequence[GateHandle], opened: Sequence[GateHandle], generation: int, patience: float | None = None
) -> None:
    """Wire all gates, front to back, for an owner's generation; those of `opened` are opened before.

    Each has `patience` seconds to answer.
    """
    addresses = [None, *(gate.address for gate in gates), None]
    calls = []
    for position, gate in enumerate(gates):
        wiring = addresses[position], addresses[position + 2], generation, addresses[1]
        calls.append((_open if gate in opened else _rewire)(gate, wiring, patience))
    # All have answered before one may be closed: an `open` that came later would not be undone.
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer


_Wiring = tuple[Address | None, Address | None, int, Address | None]
"""The gates in front and behind, the generation, and the first gate."""


async def _open(gate: GateHandle, wiring: _Wiring, patience: float | None) -> None:
    """Open a gate, which may have been created for an earlier generation."""
    await gate.ask(GateActor.open, *wiring[:2])
    await _rewire(gate, wiring, patience)


async def _rewire(gate: GateHandle, wiring: _Wiring, patience: float | None) -> None:
    try:
        async with asyncio.timeout(patience):
            await gate.ask(GateActor.wire, *wiring)
    except TimeoutError:
        raise DeadlineError(f"{gate.label} did not answer within {patience} s: look at its worker") from None


async def discard(gates: Sequence[GateHandle]) -> None:
    """End gates that are not used after all."""
    await asyncio.gather(*(gate.ask(GateActor.close) for gate in gates), return_exceptions=True)
    release_gates(gates)


def snapshot_policy(every: Any, keep: Any) -> SnapshotPolicy:
    """How often snapshots are written, and how many stay; its URL is still empty.

    Raises
    ------
    SpecError
        when `every` is neither a number of updates nor a time, or `keep` no number.
    """
    keep = check_count("snapshot_keep", keep)
    with suppress(SpecError):
        return SnapshotPolicy("", updates=check_count("snapshot_every", every), keep=keep)
    seconds = parse_duration("snapshot_every, where it is no number of updates (1000),", every)
    return SnapshotPolicy("", seconds=seconds, keep=keep)


@dataclass(frozen=True)
class FoundSnapshots:
    """What there is at the URLs of a deployment."""

    generation: int
    """The highest one of all runs there, or 0."""
    sources: tuple[SnapshotPolicy, ...] = ()
    """Of the run that is resumed: each of its complete cuts, the newest first, or it as a whole where it has none."""


async def find_snapshots(
    network: Network, snapshots: SnapshotPolicy | None, source: SnapshotPolicy | None
) -> FoundSnapshots:
    """Check the snapshots at the URLs before anything is created.

    Raises
    ------
    CheckpointError
        when they cannot be read, when there are some and not to be resumed, or when some are missing to resume.
    """
    return await offload(_find, network, snapshots, source)


def _find(network: Network, snapshots: SnapshotPolicy | None, source: SnapshotPolicy | None) -> FoundSnapshots:
    generation = last_generation(snapshots.url) if snapshots is not None else 0
    if snapshots is not None and (source is None or base_url(source.url) != base_url(snapshots.url)):
        _refuse_others(network, snapshots)
    if source is None:
        return FoundSnapshots(generation)
    sources, number = _sources(network, source)
    return FoundSnapshots(max(generation, number), sources)


def _refuse_others(network: Network, snapshots: SnapshotPolicy) -> None:
    """Check that a new network does not write where another one has written."""
    url = base_url(snapshots.url)
    runs = [replace(snapshots, url=run) for run in find_runs(url)]
    if found := {name for run in runs for name in run.store().series()}.intersection(network.names):
        raise CheckpointError(
            f"{url!r} holds snapshots of {', '.join(sorted(found))} already: resume them by "
            f"resume={url!r}, or choose another URL"
        )


def _sources(network: Network, source: SnapshotPolicy) -> tuple[tuple[SnapshotPolicy, ...], int]:
    """The run to resume by its complete cuts, and the generation of its last owner.

    A run that ended before all gates had written their first snapshot is passed over for the one before.
    """
    missing: list[str] = []
    for url in find_runs(source.url):
        run = replace(source, url=url)
        store, found = run.store(), set(run.store().series())
        lacks = [name for name in network.names if name not in found]
        if not lacks:
            cuts = [cut.name for cut in complete_cuts(run) if set(network.names) <= set(cut.numbers)]
            if not cuts:
                newest = ", ".join(f"{name!r} {max(store.numbers(name), default=0):,}" for name in network.names)
                logger.warning("%r has no complete cut: %s (updates: %s)", url, _EACH_ALONE, newest)
            sources = tuple(replace(run, cut=name) for name in cuts) or (run,)
            return sources, max(store.generation(name) for name in network.names)
        missing = missing or lacks
    raise CheckpointError(
        f"{source.url!r} has no snapshot of {', '.join(missing)}: give the URL of this network's snapshots"
    )


async def read_positions(source: SnapshotPolicy | None) -> Mapping[str, Mapping[str, Any]]:
    """By name, the positions of the sentinels of a run, as they are at the policy's cut or are the newest.

    Raises
    ------
    CheckpointError
        when they cannot be read.
    """
    return await offload(_positions, source) if source is not None else {}


def _positions(source: SnapshotPolicy) -> Mapping[str, Mapping[str, Any]]:
    for cut in complete_cuts(source):
        if cut.name == source.cut:
            return cut.positions
    store = source.store(POSITIONS)
    return {name: saved.facts for name in store.series() if (saved := store.load(name)) is not None}
