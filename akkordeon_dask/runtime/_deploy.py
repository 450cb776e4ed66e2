"""Deploy a network, connect to one, and plan a deployment."""

import logging
import os
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask._durations import Duration, parse_duration
from akkordeon_dask._files import absolute, expand
from akkordeon_dask._numbers import check_int
from akkordeon_dask.errors import CheckpointError, NameConflictError, SpecError
from akkordeon_dask.network import Gate, Network
from akkordeon_dask.placement import Plan, colocation_groups
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._cut_short import Revocable
from akkordeon_dask.runtime._events import announce_network
from akkordeon_dask.runtime._ownership import Ownership, take_ownership
from akkordeon_dask.runtime._registry import NetworkEntry, publish, refuse_living, refuse_taken, unpublish
from akkordeon_dask.runtime._running import Running
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime._sync import verb
from akkordeon_dask.runtime.clients._passes import fetch_passes, follow_passes
from akkordeon_dask.runtime.cluster._embedded import EmbeddedCluster, OnEmbeddedCluster
from akkordeon_dask.runtime.cluster._plan import make_plan
from akkordeon_dask.runtime.cluster._versions import check_versions
from akkordeon_dask.runtime.handles._gate import GateHandle, release_gates
from akkordeon_dask.runtime.handles._links import check_links, neighbours
from akkordeon_dask.runtime.recovery._follower import Follower, join
from akkordeon_dask.runtime.recovery._gate_factory import (
    GateFactory,
    discard,
    find_snapshots,
    read_positions,
    snapshot_policy,
    wire,
)
from akkordeon_dask.snapshots import SnapshotPolicy, run_url

__all__ = ["connect", "deploy", "plan"]

logger = logging.getLogger(__name__)

_FIRST = 1
"""The generation of a network's first owner."""


@verb
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
) -> Awaitable[Running]:
    """Make every gate an actor on its worker, and connect them.

    Parameters
    ----------
    network
        the spec.
    client
        of a cluster; None: an embedded cluster of one worker in this process, which ends with `close`.
    name
        publish the network on the cluster under this name: other clients find it by `connect(name, client)`, and
        it outlives a client that dies. None: it belongs to this client alone and ends with it.
    seed
        of the first parameters, and of all randomness in layers.
    snapshots
        URL where every gate's state is saved while it works: a path that all workers share, or any fsspec URL. A
        relative path begins in this process' folder, and `~` is the home folder.
        With it a gate whose worker is lost is restarted from its newest snapshot, on the worker that placement then
        chooses. None: a lost gate ends the network with an error.
    snapshot_every
        updates (1000) or time ("30s") between two snapshots of a gate.
    snapshot_keep
        snapshots of each gate that are kept.
    resume
        go on from the snapshots at this URL, and write new ones there, or to `snapshots` where that is given.
        Training sentinels resume, when they are attached the first time, at the pass and batch of an earlier one of
        the same name with the same data.

    Returns
    -------
    Running
        with an asynchronous client, a coroutine of one: `await deploy.aio(network, client)` in typed code.

    Raises
    ------
    PlacementError
        when a gate asks for a worker that does not exist, or for resources that are taken; see `plan`.
    SpecError
        when a gate is placed beside one that does not exist, or gates beside one another in a circle; when an argument
        or a setting under `akkordeon:` in Dask's configuration, here or on a worker, is not what it should be.
    NameConflictError
        when the name is in use on the cluster.
    DeploymentError
        when a worker cannot make a gate, or workers of neighbouring gates cannot connect to each other.
    CheckpointError
        when the URL of the snapshots cannot be used, holds others already, or lacks those to resume; when a network
        of this cluster still writes those to resume.
    """
    config.check()
    network = _check_network("deploy", network)
    check_client(client, optional=True)
    if name is not None:
        check_name("a network's name", name)
    seed = check_int("seed", seed)
    policy = snapshot_policy(snapshot_every, snapshot_keep)
    source = None if resume is None else replace(policy, url=absolute(expand("resume", resume)))
    keeping = source if snapshots is None else replace(policy, url=absolute(expand("snapshots", snapshots)))
    colocation_groups(network)  # raises before a cluster is started for a network that fits nowhere
    if client is not None:
        return Revocable(_deploy(network, client, name, seed, None, keeping, source), _close)
    embedded = EmbeddedCluster()
    return OnEmbeddedCluster(embedded, _deploy(network, embedded.client, name, seed, embedded, keeping, source))


async def _deploy(
    network: Network,
    client: Client,
    name: str | None,
    seed: int,
    embedded: EmbeddedCluster | None,
    snapshots: SnapshotPolicy | None,
    source: SnapshotPolicy | None,
) -> Running:
    published = name is not None
    if name is not None:
        await refuse_taken(client, name)
    # An owner that resumes comes after all owners who wrote these snapshots.
    found = await find_snapshots(network, snapshots, source)
    if found.sources:
        await refuse_living(client, found.sources[0].url)
    generation = _FIRST + found.generation
    run = uuid.uuid4().hex
    if snapshots is not None:
        snapshots = replace(snapshots, url=run_url(snapshots.url, generation, run[:12]))
    label = name or f"network-{uuid.uuid4().hex[:8]}"
    entry = NetworkEntry(label, generation, client.id, seed, snapshots, None, run=run)
    plan = await make_plan(network, client, config.seconds("timeouts.control"))
    await check_versions(client, [placed.address for placed in plan])
    workers = {position: placed.address for position, placed in enumerate(plan)}
    entry, gates = await _create(client, network, entry, workers, found.sources)
    ownership: Ownership | None = None
    try:
        await check_links(neighbours(gates))
        positions = await read_positions(entry.resumed_from)
        await wire(gates, gates, generation)
        if published:
            await publish(client, entry, network, gates)
        resumed = source is not None
        ownership = await take_ownership(
            client, network, entry, gates, published=published, resumed=resumed, positions=positions
        )
        await ownership.take_cuts(fresh=True)
        await announce_network(client, entry.name, network, gates, {"seed": seed, "generation": generation})
    except BaseException as error:
        await _undeploy(client, entry, gates, ownership, named=published and not isinstance(error, NameConflictError))
        raise
    return ownership.running(embedded)


async def _create(
    client: Client,
    network: Network,
    entry: NetworkEntry,
    workers: Mapping[int, str],
    sources: Sequence[SnapshotPolicy],
) -> tuple[NetworkEntry, list[GateHandle]]:
    """Create all gates, from the first of the sources that is intact, or afresh where there is none to resume."""
    for number, source in enumerate(sources):
        entry = replace(entry, resumed_from=source)
        try:
            return entry, await GateFactory(client, network, entry).create(workers, restore=source, must=True)
        except CheckpointError as error:
            if number == len(sources) - 1:
                raise
            logger.warning("%s is not resumed (%s): the one before it is tried", source.cut, error)
    return entry, await GateFactory(client, network, entry).create(workers)


async def _undeploy(
    client: Client, entry: NetworkEntry, gates: list[GateHandle], ownership: Ownership | None, *, named: bool
) -> None:
    """End a network whose deployment failed or was cut short; `named`: its name may have been published."""
    if ownership is not None:
        await ownership.end(last_cut=False)
        return
    if named:
        await unpublish(client, entry.name, [gate.address.actor for gate in gates])
    await discard(gates)


async def _close(running: Running) -> None:
    await running.__aexit__()


@verb
def plan(network: Network | Gate, client: Client, *, timeout: Duration = 20.0) -> Awaitable[Plan]:
    """The workers on which `deploy` would put the gates on the client's cluster now, and why; nothing is made.

    Parameters
    ----------
    network
        the spec.
    client
        a `distributed.Client`.
    timeout
        `"20s"` or seconds, for a worker to report how much of its resources gates of any network have reserved.

    Returns
    -------
    Plan
        it prints as a table.

    Raises
    ------
    PlacementError
        when the cluster lacks what a gate requires.
    SpecError
        when a gate is placed beside one that does not exist, or gates beside one another in a circle.
    """
    network, seconds = _check_network("plan", network), parse_duration("timeout", timeout)
    return make_plan(network, check_client(client), seconds)


def _check_network(verb: str, network: Network | Gate) -> Network:
    network = Network([network]) if isinstance(network, Gate) else network
    if not isinstance(network, Network):
        raise SpecError(f"{verb} takes a Network, gates joined by |, not {network!r}")
    return network


@verb
def connect(name: str, client: Client) -> Awaitable[Running]:
    """A network that another client deployed under this name.

    Sentinels that are attached to it belong to this client; closing detaches them and leaves the network alone.

    Raises
    ------
    DeploymentError
        when there is no network of this name, or its gates are gone.
    """
    config.check()
    return Revocable(_connect(check_name("a network's name", name), check_client(client)), _close)


async def _connect(name: str, client: Client) -> Running:
    entry, network, gates = await join(client, name)
    session = Session(client, network, entry, gates, Follower, published=True)
    unfollow = follow_passes(session)

    async def finish() -> None:
        unfollow()
        await session.leave()
        release_gates(session.gates)

    try:
        await fetch_passes(session)
    except BaseException:
        await finish()
        raise
    return Running(session, finish)
