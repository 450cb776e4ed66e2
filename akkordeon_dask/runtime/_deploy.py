"""Bring a network to life."""

import asyncio
import uuid
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import SpecError
from akkordeon_dask.network import Gate, Network, Plan, make_plan, parties
from akkordeon_dask.runtime._announce import say_closed, say_deployed
from akkordeon_dask.runtime._control import submit
from akkordeon_dask.runtime._embedded import Embedded
from akkordeon_dask.runtime._gate_handle import GateHandle
from akkordeon_dask.runtime._publication import find, publish, reach, refuse_taken, unpublish
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._versions import check_versions

__all__ = ["connect", "deploy"]


def deploy(network: Network | Gate, client: Client | None = None, *, name: str | None = None, seed: int = 0) -> Any:
    """Make every gate an actor on its worker, and join them.

    Parameters
    ----------
    network
        what to deploy.
    client
        of a cluster; None: an embedded cluster of one worker in this process, which ends with `close`.
    name
        publish the network on the cluster under this name: other clients find it by `connect(name, client)`, and
        it outlives a client that dies. None: it belongs to this client alone and ends with it.
    seed
        of the first parameters, and of all randomness in layers.

    Returns
    -------
    Running
        or, with an asynchronous client, an awaitable of one.

    Raises
    ------
    PlacementError
        when a gate asks for a worker that does not exist, or for resources that are taken; see `Network.plan`.
    SpecError
        when a gate shall be beside one that is not there, or a circle of gates beside one another.
    NameConflictError
        when the name is in use on the cluster.
    DeploymentError
        when a worker cannot make a gate.
    """
    network = Network([network]) if isinstance(network, Gate) else network
    if not isinstance(network, Network):
        raise SpecError(f"deploy takes a Network, gates joined by |, not {network!r}")
    _check(client, name, seed)
    parties(network)  # what cannot be placed anywhere starts no cluster
    if client is not None:
        return client.sync(_deploy, network, client, name, seed, None)
    embedded = Embedded()
    try:
        return embedded.client.sync(_deploy, network, embedded.client, name, seed, embedded)
    except BaseException:
        embedded.close()
        raise


def _check(client: Any, name: Any, seed: Any) -> None:
    if client is not None and not isinstance(client, Client):
        raise SpecError(f"client is a distributed.Client or None, not {client!r}: write Client({client!r})")
    if name is not None and not (isinstance(name, str) and name):
        raise SpecError(f"a network's name is a word, not {name!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise SpecError(f"seed is a whole number, not {seed!r}")


async def _deploy(network: Network, client: Client, name: str | None, seed: int, embedded: Embedded | None) -> Running:
    label = name or f"network-{uuid.uuid4().hex[:8]}"
    if name is not None:
        await refuse_taken(client, name)
    plan = await make_plan(network, client, config.seconds("timeouts.control"))
    await check_versions(client, [placed.address for placed in plan])
    gates = await _make(network, client, label, seed, plan)
    try:
        await _wire(gates)
        if name is not None:
            await publish(client, name, network, _GENERATION, gates)
    except BaseException:
        await _abandon(gates)
        raise
    await say_deployed(client, label, network, gates, {"seed": seed, "generation": _GENERATION})
    session = Session(client, network, label, _GENERATION, gates)

    async def finish() -> None:
        await session.leave()
        if name is not None:
            await unpublish(client, name, [gate.address.actor for gate in gates])
        await session.close_gates()
        await say_closed(client, label)

    return _Owner(session, owner=True, finish=finish, embedded=embedded)


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


_GENERATION = 1


async def _make(network: Network, client: Client, label: str, seed: int, plan: Plan) -> list[GateHandle]:
    limit = config.seconds("timeouts.deploy")
    gates: list[GateHandle] = []
    try:
        for place, (gate, placed) in enumerate(zip(network, plan, strict=True)):
            key = f"akkordeon-{label}-{placed.gate}-{uuid.uuid4().hex[:8]}"
            future = submit(
                client,
                GateActor,
                key,
                gate,
                worker=placed.address,
                who=f"gate {placed.gate!r}",
                name=placed.gate,
                place=place,
                network=label,
                generation=_GENERATION,
                seed=seed,
            )
            gates.append(GateHandle(placed.gate, placed.address, future))
        return await asyncio.gather(*(gate.made(limit) for gate in gates))
    except BaseException:
        for handle in gates:
            handle.release()
        raise


async def _wire(gates: list[GateHandle]) -> None:
    addresses = [None, *(gate.address for gate in gates), None]
    calls = [gate.ask("open", addresses[place], addresses[place + 2]) for place, gate in enumerate(gates)]
    # All have answered before one may be closed: an `open` that came later would not be undone.
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer


async def _abandon(gates: list[GateHandle]) -> None:
    await asyncio.gather(*(gate.ask("close") for gate in gates), return_exceptions=True)
    for gate in gates:
        gate.release()


def connect(name: str, client: Client) -> Any:
    """A network that another client deployed under this name.

    Sentinels that are attached to it belong to this client; closing detaches them and leaves the network alone.

    Returns
    -------
    Running
        or, with an asynchronous client, an awaitable of one.

    Raises
    ------
    DeploymentError
        when there is no network of this name, or its gates are gone.
    """
    return client.sync(_connect, name, client)


async def _connect(name: str, client: Client) -> Running:
    record = await find(client, name)
    await check_versions(client, [worker for _, worker, _ in record.gates])
    network = record.network
    gates = await reach(client, record)
    session = Session(client, network, name, record.generation, gates)

    async def finish() -> None:
        await session.leave()
        for gate in session.gates:
            gate.release()

    return Running(session, owner=False, finish=finish)
