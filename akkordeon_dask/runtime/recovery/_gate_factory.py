"""How the gates of a network are made, the first time and again."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from distributed import Client
from distributed.utils import offload

from akkordeon_dask import config
from akkordeon_dask._durations import parse_duration
from akkordeon_dask._numbers import check_int
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import CheckpointError, DeadlineError, SpecError
from akkordeon_dask.messages import Address
from akkordeon_dask.network import Network
from akkordeon_dask.runtime.cluster._payload import submitted
from akkordeon_dask.runtime.handles._gate import GateHandle
from akkordeon_dask.snapshots import SnapshotPolicy

__all__ = ["GateFactory", "check_snapshot_url", "discard", "snapshot_policy", "wire"]


@dataclass(frozen=True)
class GateFactory:
    """What every life of a network's gates has in common."""

    network: Network
    name: str
    """The network's, on the cluster."""
    seed: int
    generation: int
    """Of its owner: each one that takes it over has a higher one."""
    keeping: SnapshotPolicy | None = None
    """Where its snapshots are; None: it keeps none, and a gate that is lost ends it."""
    source: SnapshotPolicy | None = None
    """Where the snapshots are that it was resumed from."""
    begun: float = field(default_factory=time.time)
    """Seconds since 1970 when it was deployed."""
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of the network, whoever owns it: one that is deployed anew has another."""

    async def make(
        self, client: Client, places: Mapping[int, str], *, restore: SnapshotPolicy | None = None, must: bool = False
    ) -> list[GateHandle]:
        """Gates on workers, by the number of each gate and the address of its worker; not joined yet.

        Parameters
        ----------
        restore
            they go on from the newest snapshots at this place.
        must
            each has to be there; else a gate that has none begins anew.

        Raises
        ------
        DeploymentError
            when a worker cannot make one.
        CheckpointError
            when a snapshot to `restore` cannot be read.
        """
        limit = config.seconds("timeouts.deploy")
        gates: list[GateHandle] = []
        try:
            async with contextlib.AsyncExitStack() as stack:
                for place, worker in places.items():
                    gates.append(await self._submit(client, stack, place, worker, restore, must))
                return await asyncio.gather(*(gate.made(limit) for gate in gates))
        except BaseException:
            for handle in gates:
                handle.release()
            raise

    async def _submit(
        self,
        client: Client,
        stack: contextlib.AsyncExitStack,
        place: int,
        worker: str,
        restore: SnapshotPolicy | None,
        must: bool,
    ) -> GateHandle:
        name = self.network.names[place]
        submission = submitted(
            client,
            GateActor,
            f"akkordeon-{self.name}-{name}-{uuid.uuid4().hex[:8]}",
            self.network.gates[place],
            worker=worker,
            who=f"gate {name!r}",
            name=name,
            position=place,
            network=self.name,
            generation=self.generation,
            seed=self.seed,
            policy=self.keeping,
            restore=restore,
            resume=must,
        )
        return GateHandle(name, worker, await stack.enter_async_context(submission))


async def wire(
    gates: Sequence[GateHandle], opened: Sequence[GateHandle], generation: int, patience: float | None = None
) -> None:
    """Join all gates, front to back: open those of `opened`, and tell the others who their neighbours are.

    The others have `patience` seconds to answer.
    """
    addresses = [None, *(gate.address for gate in gates), None]
    calls = []
    for place, gate in enumerate(gates):
        before, after = addresses[place], addresses[place + 2]
        told = gate.ask("open", before, after) if gate in opened else _told(gate, before, after, generation, patience)
        calls.append(told)
    # All have answered before one may be closed: an `open` that came later would not be undone.
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer


async def _told(
    gate: GateHandle, before: Address | None, after: Address | None, generation: int, patience: float | None
) -> None:
    try:
        async with asyncio.timeout(patience):
            await gate.ask("wire", before, after, generation)
    except TimeoutError:
        raise DeadlineError(f"{gate.who} did not answer within {patience} s: look at its worker") from None


async def discard(gates: Sequence[GateHandle]) -> None:
    """End gates that are not needed after all."""
    await asyncio.gather(*(gate.ask("close") for gate in gates), return_exceptions=True)
    for gate in gates:
        gate.release()


def snapshot_policy(every: Any, keep: Any) -> SnapshotPolicy:
    """How often snapshots are written, and how many stay; where, is still to be said.

    Raises
    ------
    SpecError
        when `every` is neither a number of updates nor a time, or `keep` no number.
    """
    keep = check_int("snapshot_keep", keep, 1)
    with suppress(SpecError):
        return SnapshotPolicy("", updates=check_int("snapshot_every", every, 1), keep=keep)
    seconds = parse_duration("snapshot_every, where it is no number of updates (1000),", every)
    return SnapshotPolicy("", seconds=seconds, keep=keep)


async def check_snapshot_url(keeping: SnapshotPolicy, network: Network, *, resume: bool) -> int:
    """Look what is there, before anything is made; gives the generation of the owner who wrote last, 0 for nobody.

    Raises
    ------
    CheckpointError
        when the place cannot be read, holds snapshots that nobody asked to go on with, or lacks those to resume.
    """
    there = set(await offload(lambda: keeping.store().series())).intersection(network.names)
    if there and not resume:
        raise CheckpointError(
            f"{keeping.url!r} holds snapshots of {', '.join(sorted(there))} already: go on with them by "
            f"resume={keeping.url!r}, or choose another place"
        )
    if resume and (missing := [name for name in network.names if name not in there]):
        raise CheckpointError(
            f"{keeping.url!r} has no snapshot of {', '.join(missing)}: give the place of this network's snapshots"
        )
    return await offload(lambda: max((keeping.store().generation(name) for name in there), default=0))
