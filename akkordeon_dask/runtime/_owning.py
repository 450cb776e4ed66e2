"""The owner of a network: it supervises it and ends it."""

import asyncio
import functools
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.network import workers_of
from akkordeon_dask.runtime._announce import say
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._embedded import Embedded
from akkordeon_dask.runtime._gate_handle import GateHandle
from akkordeon_dask.runtime._making import Making
from akkordeon_dask.runtime._moving import drain, evacuate, move, rebalance
from akkordeon_dask.runtime._other_passes import fetch_passes
from akkordeon_dask.runtime._owner_requests import OwnerRequests
from akkordeon_dask.runtime._publication import Record, find, handles, publish, reach, read, unpublish
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._supervisor import Supervisor

__all__ = ["adopt", "own"]

_ASKED = (move, drain, rebalance)
"""What other clients may ask an owner to do."""


async def own(
    client: Client, making: Making, gates: list[GateHandle], *, published: bool, embedded: Embedded | None = None
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
        session.guard(supervisor.telling.keep_telling(), f"the sentinels of network {label!r}")
        session.worker_names.update({worker.address: worker.name for worker in await workers_of(client)})
    session.run = making.run
    requests = OwnerRequests(session, {verb.__name__: functools.partial(verb, supervisor) for verb in _ASKED})
    if published:
        session.share()
        requests.listen()
        session.guard(supervisor.keep_lease(), f"the owner of network {label!r}")

    async def finish() -> None:
        await requests.close()
        await session.leave()
        if published and await _fenced(client, making):
            for gate in session.gates:
                gate.release()
            return
        if published:
            await unpublish(client, label, [gate.address.actor for gate in session.gates])
        await session.close_gates()
        await say(client, label, "closed")

    return _Owner(session, owner=True, finish=finish, supervisor=supervisor, embedded=embedded), supervisor


async def _fenced(client: Client, making: Making) -> bool:
    """Somebody else has taken the network over: it is not this client's to end."""
    try:
        async with asyncio.timeout(config.seconds("timeouts.connect")):
            record = await read(client, making.name)
    except OSError:  # no scheduler: nobody has; a TimeoutError is one
        return False
    return record is not None and record.owner != client.id


class _Owner(Running):
    """What `deploy` gives: it ends its embedded cluster, if it has one, when it is closed."""

    def __init__(self, session: Session, *, embedded: Embedded | None, **options: Any) -> None:
        super().__init__(session, **options)
        self._embedded = embedded

    def close(self) -> Any:
        try:
            return super().close()
        finally:
            if self._embedded is not None:
                self._embedded.close()
                self._embedded = None


async def _whole(client: Client, record: Record) -> list[GateHandle]:
    """The gates of a network that keeps no snapshots: it is taken over only where none is lost."""
    gates = await reach(client, record)
    try:
        for gate in gates:
            await gate.ask("statistics")
    except BaseException:
        for gate in gates:
            gate.release()
        raise
    return gates


def adopt(name: str, client: Client) -> Any:
    """Take over a network that another client deployed under this name: its owner is gone, or is to be relieved.

    Gates that were lost meanwhile are made anew from their snapshots. The former owner, if it still lives, finds that
    the network is not its own any more, and neither moves, mends nor ends anything.

    Returns
    -------
    Running
        as `deploy` gives it; with an asynchronous client, an awaitable of one.

    Raises
    ------
    DeploymentError
        when there is no network of this name.
    DeploymentError, WorkerLostError
        when it has lost a gate and keeps no snapshots; nothing has changed then.
    TrainingError
        when a gate is lost and cannot be made anew.
    """
    check_name("a network's name", name)
    return check_client(client).sync(_adopt, name, client)


async def _adopt(name: str, client: Client) -> Running:
    record = await find(client, name)
    kept = record.keeping, record.source
    making = Making(record.network, name, record.seed, record.generation + 1, *kept, record.begun, record.run)
    gates, lost = await handles(client, record) if record.keeping is not None else (await _whole(client, record), [])
    formers = {gate: gate.future for gate in lost}
    # From here on the former owner is fenced off: it looks before it does anything.
    try:
        await publish(client, making, gates, again=True)
    except BaseException:
        for gate in gates:
            gate.release()
        raise
    running, supervisor = await own(client, making, gates, published=True)
    session = supervisor.session
    await fetch_passes(session)
    try:
        await supervisor.take_over(formers)
    except BaseException:
        await session.leave()
        for gate in session.gates:
            gate.release()
        raise
    await say(client, name, "adopted", text=f"by client {client.id}, generation {making.generation}")
    return running
