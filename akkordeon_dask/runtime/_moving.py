"""Gates that go to another worker while the network trains."""

import asyncio
import logging
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeploymentError, PlacementError, SpecError
from akkordeon_dask.network import GUEST, WorkerInfo, find_workers, workers_of
from akkordeon_dask.runtime._announce import say
from akkordeon_dask.runtime._asking import answers
from akkordeon_dask.runtime._gate_handle import GateHandle
from akkordeon_dask.runtime._glance import glance_at
from akkordeon_dask.runtime._joining import relocate
from akkordeon_dask.runtime._look import close_gates
from akkordeon_dask.runtime._making import abandon, wire

if TYPE_CHECKING:
    from akkordeon_dask.runtime._supervisor import Supervisor

__all__ = ["drain", "move", "rebalance"]

logger = logging.getLogger(__name__)


async def move(supervisor: "Supervisor", name: str, to: str) -> float:
    """Let a gate go on on another worker; gives the seconds that it did not work.

    The gate's next life takes over its parameters, optimizer state and what it was updated with; batches that were
    inside are sent again. Nothing has changed when it fails.

    Raises
    ------
    SpecError
        when there is no such gate.
    PlacementError
        when there is no such worker.
    DeploymentError, WorkerLostError, DeadlineError
        when the gate cannot be made there, or one of the two workers does not answer.
    """
    session = supervisor.session
    names = [gate.name for gate in session.gates]
    if name not in names:
        raise SpecError(f"network {session.name!r} has no gate {name!r}, it has {', '.join(names)}: move one of them")
    target = find_workers(to, await _hosts(session.client), f"gate {name!r}")[0].address
    async with supervisor.lock:
        await supervisor.fence()
        return await _move(supervisor, names.index(name), target)


async def _hosts(client: Client) -> list[WorkerInfo]:
    """The workers that a gate may go to."""
    return [worker for worker in await workers_of(client) if GUEST not in worker.resources]


async def _move(supervisor: "Supervisor", place: int, target: str) -> float:
    session = supervisor.session
    gate = session.gates[place]
    source, former = gate.worker, gate.address
    if source == target:
        return 0.0
    (fresh,) = await supervisor.making.make(session.client, {place: target})
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        await fresh.ask("succeed", former)
        await supervisor.join({place: fresh})
    except BaseException:
        await _undo(supervisor, gate, fresh)
        raise
    pause = loop.time() - begun
    # Other clients hold it too: they would take it for the gate until they learn that it has ended.
    await answers(session.client, close_gates, [source], config.seconds("supervision.patience"), {former.actor})
    text = f"from {source} to {target}, {1000 * pause:.0f} ms without it"
    await say(session.client, session.name, "moved", gate=gate.name, text=text)
    return pause


async def _undo(supervisor: "Supervisor", gate: GateHandle, fresh: GateHandle) -> None:
    session = supervisor.session
    if gate.future is fresh.future:  # the new life is known to all: what is lost with it is made anew
        return
    try:
        await gate.ask("hand_back")
        # Neighbours may have heard of the new life.
        await wire(session.gates, [], supervisor.making.generation, config.seconds("supervision.patience"))
    except AkkordeonError as error:  # it is lost too, or a neighbour: who watches that one learns it
        logger.info("%s was to go on: %s", gate.who, error)
    finally:
        await abandon([fresh])


async def drain(supervisor: "Supervisor", worker: str) -> dict[str, float]:
    """Move all gates of a worker that is to be retired elsewhere; gives the pause of each in seconds.

    This client's sentinels that are there go where the first gate is.

    Raises
    ------
    PlacementError
        when there is no such worker, or no other one has room.
    """
    session = supervisor.session
    found = find_workers(worker, await workers_of(session.client), "drain")[0].address
    async with supervisor.lock:
        await supervisor.fence()
        leaving = [gate for gate in session.gates if gate.worker == found]
        places = await supervisor.choose(leaving, avoid={found}) if leaving else {}
        pauses = {session.gates[place].name: await _move(supervisor, place, to) for place, to in places.items()}
    for attached in list(session.sentinels.values()):
        if attached.worker == found and attached.sentinel.mode != "predict":  # that one is soon gone, with its outputs
            await relocate(session, attached)
    return pauses


async def rebalance(supervisor: "Supervisor") -> dict[str, float]:
    """Move gates so that the busy shares of the workers even out; gives the pause of each in seconds.

    The shares are those of the last seconds. The gate that evens them out best moves, then the next, for as long as the
    busiest worker gains at least a tenth by it.
    """
    session = supervisor.session
    shares = await _shares(session.client, session.name)
    if missing := [gate.name for gate in session.gates if gate.name not in shares]:
        raise DeploymentError(
            f"gates {', '.join(missing)} of network {session.name!r} have told of no work yet: train some seconds"
        )
    pauses: dict[str, float] = {}
    workers = [worker.address for worker in await _hosts(session.client)]
    while step := _best({gate.name: gate.worker for gate in session.gates}, shares, workers):
        name, to = step
        if name in pauses:
            break
        pauses[name] = await move(supervisor, name, to)
    return pauses


async def _shares(client: Client, network: str) -> Mapping[str, float]:
    seen = await glance_at(client, network)
    return {gate.name: gate.busy for gate in seen.gates if not math.isnan(gate.busy)}


def _best(at: Mapping[str, str], shares: Mapping[str, float], workers: Collection[str]) -> tuple[str, str] | None:
    """The gate and the worker by whose move the busiest worker gains most; None where that is less than a tenth."""
    load = {worker: sum(shares[gate] for gate, where in at.items() if where == worker) for worker in workers}
    if len(load) < 2:
        raise PlacementError("there is one worker only, nothing to even out: start more with `dask worker`")
    most = max(load.values())
    busiest = max(load, key=lambda worker: load[worker])
    least = min(load, key=lambda worker: load[worker])
    after = {
        gate: max(most - shares[gate], load[least] + shares[gate]) for gate, where in at.items() if where == busiest
    }
    gate = min(after, key=lambda name: after[name], default=None)
    if gate is None or after[gate] > 0.9 * most:
        return None
    return gate, least
