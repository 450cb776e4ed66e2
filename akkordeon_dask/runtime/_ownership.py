"""The owner of a network: it supervises it and ends it."""

import asyncio
import functools
from collections.abc import Awaitable

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._events import log_event
from akkordeon_dask.runtime._registry import (
    NetworkEntry,
    connect_gates,
    get,
    publish,
    require,
    try_connect_gates,
    unpublish,
)
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.clients._owner_requests import OwnerRequests
from akkordeon_dask.runtime.clients._passes import fetch_passes
from akkordeon_dask.runtime.cluster._embedded import EmbeddedCluster
from akkordeon_dask.runtime.cluster._workers import list_workers
from akkordeon_dask.runtime.handles._gate import GateHandle
from akkordeon_dask.runtime.recovery._gate_factory import GateFactory
from akkordeon_dask.runtime.recovery._migration import drain, evacuate, move, rebalance
from akkordeon_dask.runtime.recovery._supervisor import Supervisor

__all__ = ["adopt", "take_ownership"]

_ASKED = (move, drain, rebalance)
"""What other clients may ask an owner to do."""


async def take_ownership(
    client: Client,
    making: GateFactory,
    gates: list[GateHandle],
    *,
    published: bool,
    embedded: EmbeddedCluster | None = None,
) -> tuple[Running, Supervisor]:
    """A network as its owner has it: supervised, where it keeps snapshots, and closed at the end."""
    label = making.name
    settings = {"seed": making.seed, "generation": making.generation}
    session = Session(client, making.network, label, making.generation, gates)
    session.diary.settings = settings
    supervisor = Supervisor(session, making, published=published)
    session.evacuate = functools.partial(evacuate, supervisor)
    session.keeping, session.source, session.begun = making.keeping, making.source, making.begun
    if making.keeping is not None:
        session.mender = supervisor
        session.supervise_task(supervisor.telling.retry_pending(), f"the sentinels of network {label!r}")
        session.worker_names.update({worker.address: worker.name for worker in await list_workers(client)})
    session.run = making.run
    requests = OwnerRequests(session, {verb.__name__: functools.partial(verb, supervisor) for verb in _ASKED})
    if published:
        session.share()
        requests.listen()
        session.supervise_task(supervisor.watch_lease(), f"the owner of network {label!r}")

    async def finish() -> None:
        await requests.close()
        await session.leave()
        if published and await _lost_ownership(client, making):
            for gate in session.gates:
                gate.release()
            return
        if published:
            await unpublish(client, label, [gate.address.actor for gate in session.gates])
        await session.close_gates()
        await log_event(client, label, "closed")

    return Running(session, owner=True, finish=finish, supervisor=supervisor, embedded=embedded), supervisor


async def _lost_ownership(client: Client, making: GateFactory) -> bool:
    """Somebody else has taken the network over: it is not this client's to end."""
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            record = await get(client, making.name)
    except OSError:  # no scheduler: nobody has; a TimeoutError is one
        return False
    return record is not None and record.owner != client.id


async def _require_all_gates(client: Client, record: NetworkEntry) -> list[GateHandle]:
    """The gates of a network that keeps no snapshots: it is taken over only where none is lost."""
    gates = await connect_gates(client, record)
    try:
        for gate in gates:
            await gate.ask("statistics")
    except BaseException:
        for gate in gates:
            gate.release()
        raise
    return gates


@verb
def adopt(name: str, client: Client) -> Awaitable[Running]:
    """Take over a network that another client deployed under this name: its owner is gone, or is to be replaced.

    Gates that were lost meanwhile are restarted from their snapshots. The former owner, if it is still alive, finds
    that it does not own the network any more, and neither moves, restarts nor ends anything.

    Raises
    ------
    DeploymentError
        when there is no network of this name.
    DeploymentError, WorkerLostError
        when it has lost a gate and keeps no snapshots; nothing has changed then.
    TrainingError
        when a gate is lost and cannot be restarted.
    """
    return _adopt(check_name("a network's name", name), check_client(client))


async def _adopt(name: str, client: Client) -> Running:
    record = await require(client, name)
    kept = record.keeping, record.source
    making = GateFactory(record.network, name, record.seed, record.generation + 1, *kept, record.begun, record.run)
    gates, lost = (
        await try_connect_gates(client, record)
        if record.keeping is not None
        else (await _require_all_gates(client, record), [])
    )
    formers = {gate: gate.future for gate in lost}
    # From here on the former owner is fenced off: it looks before it does anything.
    try:
        await publish(client, making, gates, again=True)
    except BaseException:
        for gate in gates:
            gate.release()
        raise
    running, supervisor = await take_ownership(client, making, gates, published=True)
    session = supervisor.session
    await fetch_passes(session)
    try:
        await supervisor.take_over(formers)
    except BaseException:
        await session.leave()
        for gate in session.gates:
            gate.release()
        raise
    await log_event(client, name, "adopted", text=f"by client {client.id}, generation {making.generation}")
    return running
