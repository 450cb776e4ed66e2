"""Gates are moved to other workers while the network trains: one, all of a worker, or those of the busiest."""

import asyncio
import logging
import math
from collections.abc import Collection, Mapping

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask._pieces import SLOWEST
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import (
    AkkordeonError,
    DeadlineError,
    DeploymentError,
    PlacementError,
    SpecError,
    WorkerLostError,
)
from akkordeon_dask.messages import Address
from akkordeon_dask.placement import GUEST, WorkerInfo, find_workers
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime._events import explain_loss, log_event
from akkordeon_dask.runtime._live import _live_status
from akkordeon_dask.runtime._on_worker import close_gates
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._queries import ask_workers, ping
from akkordeon_dask.runtime.cluster._retry import retry
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import GateHandle, Incarnation
from akkordeon_dask.runtime.handles._sentinel import AttachedSentinel
from akkordeon_dask.runtime.recovery._gate_factory import discard, wire
from akkordeon_dask.runtime.recovery._owner_policy import OwnerPolicy
from akkordeon_dask.runtime.recovery._sentinels import move_sentinel

__all__ = ["drain", "evacuate", "move", "rebalance"]

logger = logging.getLogger(__name__)

_AGAIN = 0.2


async def move(owner: OwnerPolicy, name: str, to: str) -> float:
    """Move a gate to another worker; returns the seconds that it did not work.

    The gate's next incarnation takes over its parameters, its optimizer state and the batches that it was updated with;
    batches in flight are resent. Nothing has changed when it fails.

    Raises
    ------
    SpecError
        when there is no such gate.
    PlacementError
        when there is no such worker.
    DeploymentError, WorkerLostError, DeadlineError
        when the gate cannot be created there, or one of the two workers does not answer.
    """
    session = owner.session
    names = [gate.name for gate in session.gates]
    if name not in names:
        raise SpecError(f"network {session.name!r} has no gate {name!r}, it has {', '.join(names)}: move one of them")
    target = find_workers(to, await _eligible_workers(session.client), f"gate {name!r}")[0].address
    async with owner.lock:
        await owner.require_ownership()
        return await _move(owner, names.index(name), target)


async def _eligible_workers(client: Client) -> list[WorkerInfo]:
    """The workers that a gate may go to."""
    return [worker for worker in await list_workers(client) if GUEST not in worker.resources]


async def _move(owner: OwnerPolicy, position: int, target: str, *, worker_is_ending: bool = False) -> float:
    """Move the gate at a position; a worker that `worker_is_ending` may be gone as soon as the gate is."""
    session = owner.session
    gate = session.gates[position]
    source, former = gate.worker, gate.address
    if source == target:
        return 0.0
    await _check_worker(session.client, gate)
    (fresh,) = await owner.factory.create({position: target}, bare=True)
    try:
        seconds = 2 * await gate.ask(GateActor.nbytes) / SLOWEST
        # Where little time is left, the gate stops at once.
        stopped = await fresh.poll(seconds, GateActor.import_from, former, not worker_is_ending)
    except BaseException:
        await _cancel_move(owner, gate, fresh)
        raise
    begun = asyncio.get_running_loop().time() - stopped
    # From here on all of it happens, or nothing: between two wires the network would belong to no incarnation.
    pause = await finished(_switch(owner, position, fresh, former, begun, worker_is_ending=worker_is_ending), None)
    text = f"from {source} to {target}, {1000 * pause:.0f} ms without it"
    await log_event(session.client, session.name, "moved", gate=gate.name, text=text)
    return pause


async def _switch(
    owner: OwnerPolicy, position: int, fresh: GateHandle, former: Address, begun: float, *, worker_is_ending: bool
) -> float:
    """Put the new incarnation in place and close the former one; returns the seconds since `begun` without a gate."""
    session = owner.session
    gate = session.gates[position]
    try:
        await owner.install({position: fresh})
    except BaseException:
        await _cancel_move(owner, gate, fresh)
        raise
    pause = asyncio.get_running_loop().time() - begun
    if worker_is_ending:
        session.supervise_task(_close(session, former), f"the former incarnation of {gate.label}")
    else:
        await _close(session, former)
    return pause


async def _check_worker(client: Client, gate: GateHandle) -> None:
    """Ping first: the deadline of the transfer is longer, and meanwhile the gate could not be restarted."""
    limit = config.seconds("supervision.patience")
    if gate.worker not in {worker.address for worker in await list_workers(client, ending=True)}:
        lost = WorkerLostError(
            f"{gate.label} cannot be moved: its worker is gone, and the gate with it. A network with snapshots "
            "restarts it elsewhere by itself"
        )
        raise await explain_loss(client, gate.worker, lost)
    if not await ask_workers(client, ping, [gate.worker], limit):
        raise DeadlineError(
            f"{gate.label} cannot be moved: its worker gives no answer, for which it has {limit:g} s. Look at the "
            "worker; a network with snapshots restarts the gate elsewhere"
        )


async def _close(session: Session, former: Address) -> None:
    """Close a gate's former incarnation: other clients hold its key too, and use it until it is closed."""
    limit = config.seconds("supervision.patience")
    await ask_workers(session.client, close_gates, [former.worker], limit, {former.actor})


async def _cancel_move(owner: OwnerPolicy, gate: GateHandle, fresh: GateHandle) -> None:
    session = owner.session
    if gate.future is fresh.future:  # all know the new incarnation: if it is lost, it is restarted
        return
    try:
        await gate.ask(GateActor.cancel_migration)
        # Neighbours may know the address of the new incarnation.
        await wire(session.gates, [], session.entry.generation, config.seconds("supervision.patience"))
    except AkkordeonError as error:  # it is lost too, or a neighbour: the watch of that one finds out
        logger.info("%s cannot cancel its move: %s", gate.label, error)
    finally:
        await discard([fresh])


async def drain(owner: OwnerPolicy, worker: str) -> dict[str, float]:
    """Move all gates off a worker that is to be retired; returns the pause of each in seconds.

    This client's sentinels that are there move to the worker of the first gate.

    Raises
    ------
    PlacementError
        when there is no such worker, or no other one has room.
    """
    session = owner.session
    found = find_workers(worker, await list_workers(session.client), "drain")[0].address
    async with owner.lock:
        await owner.require_ownership()
        leaving = [gate for gate in session.gates if gate.worker == found]
        chosen = await owner.choose_workers(leaving, avoid={found}) if leaving else {}
        pauses = {session.gates[position].name: await _move(owner, position, to) for position, to in chosen.items()}
    for attached in list(session.sentinels.values()):
        # A prediction ends soon, and its outputs are with it.
        if attached.sentinel.mode == "predict" or attached.error is not None:
            continue
        if isinstance(attached, AttachedSentinel):
            await move_sentinel(session, attached, found)
        else:
            await attached.abandon(found)
    return pauses


async def evacuate(owner: OwnerPolicy, gate: GateHandle, incarnation: Incarnation) -> None:
    """Move a gate off a worker that shuts down; where that is not possible, the worker learns why.

    Raises
    ------
    ClosedError
        when another client owns the network by now.
    """
    session = owner.session
    await _acknowledge_drain(gate)
    try:
        async with owner.lock:
            if gate.future is not incarnation:  # it was moved together with another one
                return
            await owner.require_ownership()
            refusal = await _drain_gate(owner, gate, {*session.draining_workers, gate.worker})
    except OSError as error:
        refusal = f"the scheduler does not answer: {error!r}"
    if refusal and gate.future is incarnation:
        logger.warning("%s stays on a worker that shuts down: %s", gate.label, refusal)
        await _acknowledge_drain(gate, refusal)
        text = f"on {gate.worker}, which shuts down: {refusal}"
        await log_event(session.client, session.name, "stays", gate=gate.name, text=text)


async def _acknowledge_drain(gate: GateHandle, refusal: str = "") -> bool:
    """Let the gate's worker know that the gate will move, or why not; False: it does not answer any more."""
    try:
        await gate.ask(GateActor.acknowledge_drain, refusal)
    except AkkordeonError as error:  # its watch finds out the same
        logger.info("%s does not acknowledge: %s", gate.label, error)
        return False
    return True


async def _drain_gate(owner: OwnerPolicy, gate: GateHandle, leaving: Collection[str]) -> str:
    """Move a gate and all others that have to leave; returns why it could not be moved for `supervision.patience`."""
    own = owner.session.gates.index(gate)

    async def attempt() -> None:
        chosen = await _choose_refuge(owner, gate, leaving)
        for position, to in sorted(chosen.items(), key=lambda item: item[0] != own):
            await _move(owner, position, to, worker_is_ending=True)

    async def hopeless(error: Exception) -> bool:
        # A worker that is just busy may take the gate as soon as it answers.
        no_room = isinstance(error, PlacementError) and not owner.unresponsive.difference(leaving)
        return gate.worker not in leaving or no_room or not await _acknowledge_drain(gate)

    end = asyncio.get_running_loop().time() + config.seconds("supervision.patience")
    retryable = (AkkordeonError, OSError)
    try:
        await retry(attempt, f"moving {gate.label}", end=end, retryable=retryable, longest=_AGAIN, hopeless=hopeless)
    except retryable as error:
        # Where another gate could not be moved, the watch of that one tries again.
        return str(error) if gate.worker in leaving else ""
    return ""


async def _choose_refuge(owner: OwnerPolicy, gate: GateHandle, leaving: Collection[str]) -> dict[int, str]:
    """Choose workers for all gates that have to leave, in one plan; where there is no room for all, for this one."""
    crowd = [one for one in owner.session.gates if one.worker in leaving]
    try:
        return await owner.choose_workers(crowd, avoid=leaving)
    except PlacementError:
        return await owner.choose_workers([gate], avoid=leaving)


async def rebalance(owner: OwnerPolicy) -> dict[str, float]:
    """Move gates so that the busy shares of the workers even out; returns the pause of each in seconds.

    The shares are those of the last seconds. The gate that evens them out best moves, then the next, for as long as the
    busiest worker gains at least a tenth by it.
    """
    session = owner.session
    status = await _live_status(session.client, session.name)
    shares = {gate.name: gate.busy for gate in status.gates if not math.isnan(gate.busy)}
    if missing := [gate.name for gate in session.gates if gate.name not in shares]:
        raise DeploymentError(
            f"gates {', '.join(missing)} of network {session.name!r} have reported no work yet: train some seconds"
        )
    pauses: dict[str, float] = {}
    workers = [worker.address for worker in await _eligible_workers(session.client)]
    while step := _best_move({gate.name: gate.worker for gate in session.gates}, shares, workers):
        name, to = step
        if name in pauses:
            break
        pauses[name] = await move(owner, name, to)
    return pauses


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
