"""Gates that go to another worker while the network trains."""

import asyncio
import logging
import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeadlineError, DeploymentError, PlacementError, SpecError
from akkordeon_dask.messages import Address
from akkordeon_dask.placement import GUEST, WorkerInfo, find_workers
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime._live import _live_status
from akkordeon_dask.runtime._on_worker import close_gates
from akkordeon_dask.runtime.cluster._queries import ask_workers, ping
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle
from akkordeon_dask.runtime.recovery._gate_factory import discard, wire
from akkordeon_dask.runtime.recovery._sentinels import move_sentinel

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session
    from akkordeon_dask.runtime.recovery._supervisor import Supervisor

__all__ = ["drain", "evacuate", "move", "rebalance"]

logger = logging.getLogger(__name__)

_AGAIN = 0.2


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
    target = find_workers(to, await _eligible_workers(session.client), f"gate {name!r}")[0].address
    async with supervisor.lock:
        await supervisor.require_ownership()
        return await _move(supervisor, names.index(name), target)


async def _eligible_workers(client: Client) -> list[WorkerInfo]:
    """The workers that a gate may go to."""
    return [worker for worker in await list_workers(client) if GUEST not in worker.resources]


async def _move(supervisor: "Supervisor", place: int, target: str, *, ends: bool = False) -> float:
    """The same for a place; `ends`: the gate's worker may be gone as soon as the gate is."""
    session = supervisor.session
    gate = session.gates[place]
    source, former = gate.worker, gate.address
    if source == target:
        return 0.0
    await _check_there(session.client, gate)
    (fresh,) = await supervisor.making.make(session.client, {place: target})
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        await fresh.ask("import_from", former)
        await supervisor.install({place: fresh})
    except BaseException:
        await _undo(supervisor, gate, fresh)
        raise
    pause = loop.time() - begun
    if ends:
        session.supervise_task(_end(session, former), f"the former life of {gate.who}")
    else:
        await _end(session, former)
    text = f"from {source} to {target}, {1000 * pause:.0f} ms without it"
    await log_event(session.client, session.name, "moved", gate=gate.name, text=text)
    return pause


async def _check_there(client: Client, gate: GateHandle) -> None:
    """Its state is fetched with a longer deadline, and meanwhile nobody could make it anew."""
    limit = config.seconds("supervision.patience")
    if not await ask_workers(client, ping, [gate.worker], limit):
        raise DeadlineError(
            f"{gate.who} cannot be moved: its worker did not answer within {limit:g} s. Look at the worker; "
            "a network with snapshots makes the gate anew elsewhere"
        )


async def _end(session: "Session", former: Address) -> None:
    """Other clients hold it too: they would take it for the gate until they learn that it has ended."""
    limit = config.seconds("supervision.patience")
    await ask_workers(session.client, close_gates, [former.worker], limit, {former.actor})


async def _undo(supervisor: "Supervisor", gate: GateHandle, fresh: GateHandle) -> None:
    session = supervisor.session
    if gate.future is fresh.future:  # the new life is known to all: what is lost with it is made anew
        return
    try:
        await gate.ask("cancel_migration")
        # Neighbours may have heard of the new life.
        await wire(session.gates, [], supervisor.making.generation, config.seconds("supervision.patience"))
    except AkkordeonError as error:  # it is lost too, or a neighbour: who watches that one learns it
        logger.info("%s was to go on: %s", gate.who, error)
    finally:
        await discard([fresh])


async def drain(supervisor: "Supervisor", worker: str) -> dict[str, float]:
    """Move all gates of a worker that is to be retired elsewhere; gives the pause of each in seconds.

    This client's sentinels that are there go where the first gate is.

    Raises
    ------
    PlacementError
        when there is no such worker, or no other one has room.
    """
    session = supervisor.session
    found = find_workers(worker, await list_workers(session.client), "drain")[0].address
    async with supervisor.lock:
        await supervisor.require_ownership()
        leaving = [gate for gate in session.gates if gate.worker == found]
        places = await supervisor.choose_workers(leaving, avoid={found}) if leaving else {}
        pauses = {session.gates[place].name: await _move(supervisor, place, to) for place, to in places.items()}
    for attached in list(session.sentinels.values()):
        # One that predicts is soon gone, with its outputs.
        if attached.worker == found and attached.sentinel.mode != "predict" and attached.error is None:
            await move_sentinel(session, attached)
    return pauses


async def evacuate(supervisor: "Supervisor", gate: GateHandle, former: Future[Any] | ForgottenKey) -> None:
    """Let a gate go on elsewhere, whose worker is told to end; where that cannot be, the worker learns why.

    Raises
    ------
    ClosedError
        when somebody else owns the network by now.
    """
    session = supervisor.session
    await _acknowledge_drain(gate)
    try:
        async with supervisor.lock:
            if gate.future is not former:  # it went together with another one
                return
            await supervisor.require_ownership()
            refusal = await _drain_gate(supervisor, gate, {*session.draining_workers, gate.worker})
    except OSError as error:
        refusal = f"the scheduler does not answer: {error!r}"
    if refusal and gate.future is former:
        logger.warning("%s stays on a worker that ends: %s", gate.who, refusal)
        await _acknowledge_drain(gate, refusal)
        text = f"on {gate.worker}, which ends: {refusal}"
        await log_event(session.client, session.name, "stays", gate=gate.name, text=text)


async def _acknowledge_drain(gate: GateHandle, refusal: str = "") -> bool:
    """Let the gate's worker know whether the gate goes; False: it does not listen any more."""
    try:
        await gate.ask("acknowledge_drain", refusal)
    except AkkordeonError as error:  # who watches it learns the same
        logger.info("%s is not waited for: %s", gate.who, error)
        return False
    return True


async def _drain_gate(supervisor: "Supervisor", gate: GateHandle, leaving: Collection[str]) -> str:
    """Move a gate, with all others that have to leave; gives why it could not be moved for `supervision.patience`."""
    loop = asyncio.get_running_loop()
    own, end = supervisor.session.gates.index(gate), loop.time() + config.seconds("supervision.patience")
    while True:
        try:
            places = await _choose_refuge(supervisor, gate, leaving)
            for place, to in sorted(places.items(), key=lambda item: item[0] != own):
                await _move(supervisor, place, to, ends=True)
            return ""
        except (AkkordeonError, OSError) as error:
            if gate.worker not in leaving:  # another one could not: who watches that one tries again
                return ""
            # A worker that is just busy may take it as soon as it answers.
            hope = not isinstance(error, PlacementError) or supervisor.unresponsive.difference(leaving)
            if not hope or loop.time() > end or not await _acknowledge_drain(gate):
                return str(error)
            logger.info("%s shall leave its worker: %s", gate.who, error)
        await asyncio.sleep(_AGAIN)


async def _choose_refuge(supervisor: "Supervisor", gate: GateHandle, leaving: Collection[str]) -> dict[int, str]:
    """Workers for all gates that have to leave, in one plan; where there is no room for all, for this one."""
    crowd = [one for one in supervisor.session.gates if one.worker in leaving]
    try:
        return await supervisor.choose_workers(crowd, avoid=leaving)
    except PlacementError:
        return await supervisor.choose_workers([gate], avoid=leaving)


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
    workers = [worker.address for worker in await _eligible_workers(session.client)]
    while step := _best_move({gate.name: gate.worker for gate in session.gates}, shares, workers):
        name, to = step
        if name in pauses:
            break
        pauses[name] = await move(supervisor, name, to)
    return pauses


async def _shares(client: Client, network: str) -> Mapping[str, float]:
    seen = await _live_status(client, network)
    return {gate.name: gate.busy for gate in seen.gates if not math.isnan(gate.busy)}


def _best_move(at: Mapping[str, str], shares: Mapping[str, float], workers: Collection[str]) -> tuple[str, str] | None:
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
