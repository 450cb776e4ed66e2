"""Bring a network to life."""

import os
import uuid
from dataclasses import replace
from typing import Any

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask._durations import Duration
from akkordeon_dask._files import absolute, expand
from akkordeon_dask._numbers import check_int
from akkordeon_dask.actors import Keeping
from akkordeon_dask.errors import SpecError
from akkordeon_dask.network import Gate, Network, make_plan, parties
from akkordeon_dask.runtime._announce import say_deployed
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._embedded import Embedded
from akkordeon_dask.runtime._follower import Follower, join
from akkordeon_dask.runtime._making import Making, abandon, check_place, keeping_of, wire
from akkordeon_dask.runtime._other_passes import fetch_passes
from akkordeon_dask.runtime._owning import own
from akkordeon_dask.runtime._publication import publish, refuse_taken
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._versions import check_versions

__all__ = ["connect", "deploy"]

_FIRST = 1
"""The generation of a network's first owner."""


def deploy(
    network: Network | Gate,
    client: Client | None = None,
    *,
    name: str | None = None,
    seed: int = 0,
    snapshots: str | os.PathLike[str] | None = None,
    snapshot_every: Duration | int = "30s",
    snapshot_keep: int = 3,
    resume: str | os.PathLike[str] | None = None,
) -> Any:
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
    snapshots
        where every gate's state is written down while it works: a path that all workers share, or any fsspec URL. A
        relative path begins in this process' folder, and `~` is the home folder.
        With it a gate whose worker is lost is made anew from its newest snapshot, on the worker that placement then
        chooses. None: a lost gate ends the network with an error.
    snapshot_every
        updates (1000) or time ("30s") between two snapshots of a gate.
    snapshot_keep
        snapshots of each gate that stay.
    resume
        go on from the snapshots at this place, and write new ones there, or to `snapshots` where that is given.
        Training sentinels go on, when they are attached the first time, in the pass and at the batch where one of the
        same name with the same data was.

    Returns
    -------
    Running
        or, with an asynchronous client, an awaitable of one.

    Raises
    ------
    PlacementError
        when a gate asks for a worker that does not exist, or for resources that are taken; see `Network.plan`.
    SpecError
        when a gate shall be beside one that is not there, or a circle of gates beside one another; when an argument is
        not what it should be.
    NameConflictError
        when the name is in use on the cluster.
    DeploymentError
        when a worker cannot make a gate.
    CheckpointError
        when the place of the snapshots cannot be used, holds others already, or lacks those to resume.
    """
    network = Network([network]) if isinstance(network, Gate) else network
    if not isinstance(network, Network):
        raise SpecError(f"deploy takes a Network, gates joined by |, not {network!r}")
    check_client(client, optional=True)
    if name is not None:
        check_name("a network's name", name)
    seed = check_int("seed", seed)
    policy = keeping_of(snapshot_every, snapshot_keep)
    source = None if resume is None else replace(policy, url=absolute(expand("resume", resume)))
    keeping = source if snapshots is None else replace(policy, url=absolute(expand("snapshots", snapshots)))
    parties(network)  # what cannot be placed anywhere starts no cluster
    if client is not None:
        return client.sync(_deploy, network, client, name, seed, None, keeping, source)
    embedded = Embedded()
    try:
        return embedded.client.sync(_deploy, network, embedded.client, name, seed, embedded, keeping, source)
    except BaseException:
        embedded.close()
        raise


async def _deploy(
    network: Network,
    client: Client,
    name: str | None,
    seed: int,
    embedded: Embedded | None,
    keeping: Keeping | None,
    source: Keeping | None,
) -> Running:
    if name is not None:
        await refuse_taken(client, name)
    # Whoever goes on from snapshots comes after all who have written some.
    generation = _FIRST + max([await _generation(place, source, network) for place in {keeping, source}])
    making = Making(network, name or f"network-{uuid.uuid4().hex[:8]}", seed, generation, keeping, source)
    plan = await make_plan(network, client, config.seconds("timeouts.control"))
    await check_versions(client, [placed.address for placed in plan])
    places = {place: placed.address for place, placed in enumerate(plan)}
    gates = await making.make(client, places, restore=source, must=True)
    try:
        await wire(gates, gates, generation)
        if name is not None:
            await publish(client, making, gates)
    except BaseException:
        await abandon(gates)
        raise
    running, supervisor = await own(client, making, gates, published=name is not None, embedded=embedded)
    supervisor.session.resumes = source is not None
    await say_deployed(client, making.name, network, gates, {"seed": seed, "generation": generation})
    return running


async def _generation(place: Keeping | None, source: Keeping | None, network: Network) -> int:
    """Of the owner who wrote last there; 0 for nobody."""
    return 0 if place is None else await check_place(place, network, resume=place == source)


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
    check_name("a network's name", name)
    return check_client(client).sync(_connect, name, client)


async def _connect(name: str, client: Client) -> Running:
    record, network, gates = await join(client, name)
    session = Session(client, network, name, record.generation, gates)
    session.keeping, session.source, session.begun = record.keeping, record.source, record.begun
    session.mender = Follower(session, patient=record.keeping is not None)
    session.run = record.run
    session.share()
    await fetch_passes(session)

    async def finish() -> None:
        await session.leave()
        for gate in session.gates:
            gate.release()

    return Running(session, owner=False, finish=finish)
