"""Deploy a network, connect to one, and plan a deployment."""

import logging
import os
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from distributed import Client

from akkordeon_dask import config
from akkordeon_dask._durations import Duration, parse_duration
from akkordeon_dask._files import absolute, expand
from akkordeon_dask._numbers import check_count, check_int
from akkordeon_dask._open_files import describe_shortage
from akkordeon_dask.errors import CheckpointError, NameConflictError, SpecError
from akkordeon_dask.network import Gate, Network
from akkordeon_dask.placement import Plan, colocation_groups
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._cut_short import Revocable
from akkordeon_dask.runtime._events import announce_network
from akkordeon_dask.runtime._lease import refuse_held
from akkordeon_dask.runtime._lease import release as release_lease
from akkordeon_dask.runtime._lease import take as take_lease
from akkordeon_dask.runtime._ownership import Ownership, take_ownership
from akkordeon_dask.runtime._registry import NetworkEntry, forget, publish, refuse_living, refuse_taken, unpublish
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
from akkordeon_dask.snapshots import Lease, SnapshotPolicy, base_url, run_url

__all__ = ["connect", "deploy", "plan"]

logger = logging.getLogger(__name__)

_CONNECTIONS = 3
"""Connections, at most for long, to each worker or about it to the scheduler, however many gates it has."""
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
    take_over: bool = False,
    updates: Literal["asynchronous", "synchronous"] = "asynchronous",
    n_microbatches: int | None = None,
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
    take_over
        write there though another program may still do so: it finds that out, and writes no more. Without, such a
        program is an error, unless it ran on this host and is certainly gone.
    updates
        `"asynchronous"`: each gate updates as gradients come. `"synchronous"`: all gates update once a step, with the
        mean gradient over the samples of its micro-batches, as with one large batch (Huang et al., 'GPipe: Efficient
        Training of Giant Neural Networks using Pipeline Parallelism', arXiv 1811.06965, 2019). No gradient is late,
        and a gate holds one version; but gates wait while a step begins and ends.
    n_microbatches
        of a synchronous step: that many batches, of all training sentinels together, as they reach the first gate. The
        last step of a pass has fewer, unless other sentinels go on.

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
        of this cluster still writes those to resume, or another program writes there.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import Gate, deploy, nn, optim
    >>> with deploy(Gate(nn.Linear(4, 2), optim.SGD(0.1))) as running:
    ...     running.predict(np.zeros((3, 4), np.float32)).shape
    (3, 2)
    """
    config.check()
    network = _check_network("deploy", network)
    check_client(client, optional=True)
    if name is not None:
        check_name("a network's name", name)
    seed = check_int("seed", seed)
    size = _check_updates(network, updates, n_microbatches)
    policy = snapshot_policy(snapshot_every, snapshot_keep)
    source = None if resume is None else replace(policy, url=absolute(expand("resume", resume)))
    keeping = source if snapshots is None else replace(policy, url=absolute(expand("snapshots", snapshots)))
    colocation_groups(network)  # raises before a cluster is started for a network that fits nowhere
    if client is not None:
        return Revocable(_deploy(network, client, name, seed, None, keeping, source, take_over, size), _close)
    embedded = EmbeddedCluster()
    deployment = _deploy(network, embedded.client, name, seed, embedded, keeping, source, take_over, size)
    return OnEmbeddedCluster(embedded, deployment)


async def _deploy(
    network: Network,
    client: Client,
    name: str | None,
    seed: int,
    embedded: EmbeddedCluster | None,
    snapshots: SnapshotPolicy | None,
    source: SnapshotPolicy | None,
    take_over: bool,
    n_microbatches: int | None,
) -> Running:
    if name is not None:
        await refuse_taken(client, name)
    if not take_over:
        await refuse_held(client, *{base_url(one.url) for one in (source, snapshots) if one is not None})
    # An owner that resumes comes after all owners who wrote these snapshots.
    found = await find_snapshots(network, snapshots, source)
    if found.sources and not take_over:
        await refuse_living(client, found.sources[0].url)
    label = name or f"network-{uuid.uuid4().hex[:8]}"
    generation = _FIRST + found.generation
    entry = NetworkEntry(label, generation, client.id, seed, snapshots, None, n_microbatches)
    lease = await take_lease(client, entry, take_over=take_over)
    try:
        entry = _leased(entry, lease)
        ownership = await _own(network, client, entry, found.sources, lease, published=name is not None)
    except BaseException:
        await release_lease(lease)
        raise
    return ownership.running(embedded)


def _leased(entry: NetworkEntry, lease: Lease | None) -> NetworkEntry:
    """The entry of a new run, with the generation of its lease and a folder of its own."""
    generation = entry.generation if lease is None else lease.generation
    snapshots = entry.snapshots
    if snapshots is not None:
        url = run_url(snapshots.url, generation, entry.run[:12])
        snapshots = replace(snapshots, url=url, leased=lease is not None)
    return replace(entry, generation=generation, snapshots=snapshots)


async def _own(
    network: Network,
    client: Client,
    entry: NetworkEntry,
    sources: Sequence[SnapshotPolicy],
    lease: Lease | None,
    *,
    published: bool,
) -> Ownership:
    """Create all gates, connect them and own the network; nothing is left of it after an error."""
    plan = await make_plan(network, client, config.seconds("timeouts.control"))
    await check_versions(client, [placed.address for placed in plan], limit=config.seconds("timeouts.deploy"))
    workers = {position: placed.address for position, placed in enumerate(plan)}
    if shortage := describe_shortage(_CONNECTIONS * len(set(workers.values()))):
        logger.warning("network %r: %s", entry.name, shortage)
    entry, gates = await _create(client, network, entry, workers, sources)
    ownership: Ownership | None = None
    try:
        await check_links(client, neighbours(gates))
        positions = await read_positions(entry.resumed_from)
        await wire(gates, gates, entry.generation)
        if published:
            await publish(client, entry, network, gates)
        ownership = await take_ownership(
            client, network, entry, gates, published=published, resumed=bool(sources), positions=positions, lease=lease
        )
        await ownership.take_cuts(fresh=True)
        settings = {"seed": entry.seed, "generation": entry.generation}
        await announce_network(client, entry.name, network, gates, settings)
    except BaseException as error:
        await _undeploy(client, entry, gates, ownership, named=published and not isinstance(error, NameConflictError))
        raise
    return ownership


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
    await forget(client, entry.run)


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

    Examples
    --------
    >>> from distributed import Client
    >>> from akkordeon_dask import Gate, nn, optim, plan
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
    ...     [gate.reason for gate in plan(Gate(nn.Linear(4, 2), optim.SGD(0.1)), client)]
    ['the only worker']
    """
    network, seconds = _check_network("plan", network), parse_duration("timeout", timeout)
    return make_plan(network, check_client(client), seconds)


def _check_updates(network: Network, updates: str, n_microbatches: int | None) -> int | None:
    """The micro-batches of a step; None: updates are asynchronous."""
    if updates not in ("asynchronous", "synchronous"):
        raise SpecError(f"updates is 'asynchronous' or 'synchronous', not {updates!r}")
    if updates == "asynchronous":
        if n_microbatches is not None:
            raise SpecError(f"n_microbatches={n_microbatches!r} is for updates='synchronous': give both, or none")
        return None
    if n_microbatches is None:
        raise SpecError("updates='synchronous' needs n_microbatches, the batches of a step: give a whole number from 1")
    for name, gate in zip(network.names, network.gates, strict=True):
        if gate.accumulate > 1:
            raise SpecError(
                f"gate {name!r} has accumulate={gate.accumulate}, and updates='synchronous' accumulates "
                f"n_microbatches={n_microbatches!r} in every gate: leave accumulate out"
            )
    return check_count("n_microbatches", n_microbatches)


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

    Examples
    --------
    >>> from akkordeon_dask import Gate, connect, deploy, nn, optim
    >>> with deploy(Gate(nn.Linear(4, 2), optim.SGD(0.1)), name="digits") as running:
    ...     with connect("digits", running.client) as connected:
    ...         connected.owner, connected.placement == running.placement
    (False, True)
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
