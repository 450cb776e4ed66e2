"""Networks with a name, as the scheduler keeps them."""

import asyncio
import contextlib
import logging
import shlex
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from distributed import Client, Future
from distributed.protocol.pickle import dumps, loads

from akkordeon_dask import config
from akkordeon_dask.actors import forget_network
from akkordeon_dask.errors import CheckpointError, ClosedError, DeploymentError, NameConflictError
from akkordeon_dask.messages import Rollback
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._cut_short import finished
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle, release_gates
from akkordeon_dask.snapshots import SnapshotPolicy

__all__ = [
    "NetworkEntry",
    "RestartPendingError",
    "check_lease",
    "connect_gates",
    "forget",
    "get",
    "names",
    "publish",
    "refuse_living",
    "refuse_taken",
    "require",
    "try_connect_gates",
    "unpublish",
]

logger = logging.getLogger(__name__)

_ENTRY, _FUTURES = "akkordeon/", "akkordeon-gates/"


class RestartPendingError(DeploymentError):
    """Gates are lost, and the network's owner restarts them."""


@dataclass(frozen=True)
class NetworkEntry:
    """The facts about a network that all of its clients know, published where it has a name.

    It holds no futures. Published apart, those keep the gates alive, and nobody fetches them: in one process
    the client that does would make the owner's own futures its own.
    """

    name: str
    """On the cluster."""
    generation: int
    """Of its owner: each one that takes it over has a higher one."""
    owner: str
    """The id of the client that deployed it, or took it over."""
    seed: int
    snapshots: SnapshotPolicy | None
    """Where its snapshots are; None: it keeps none, and a gate that is lost ends it."""
    resumed_from: SnapshotPolicy | None
    """Where the snapshots are that it was resumed from."""
    n_microbatches: int | None = None
    """Batches of a step, after which all gates update; None: each updates by itself."""
    ownership: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of its owner, who may have been another one by the same client."""
    deployed_at: float = field(default_factory=time.time)
    """Seconds since 1970."""
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of the network, whoever owns it: each deployment under the same name has another."""
    spec: bytes = b""
    """The published network, pickled: listing or stopping it needs none of the modules that it was written with."""
    gates: tuple[tuple[str, str, str], ...] = ()
    """Name, worker and key of each published gate."""
    rollback: Rollback | None = None
    """The last order to go back that its owner gave."""

    @property
    def keys(self) -> frozenset[str]:
        """The gates' keys, which no other network ever has."""
        return frozenset(key for _, _, key in self.gates)

    @property
    def network(self) -> Network:
        """The spec.

        Raises
        ------
        DeploymentError
            when this process lacks a module that it was written with.
        """
        try:
            network: Network = loads(self.spec)
        except Exception as error:
            raise DeploymentError(
                f"network {self.name!r} was written with what this process does not have ({error!r}): install it here, "
                "or deploy it from a file, `dask akkordeon network FILE.py:NETWORK`, which travels with the network"
            ) from error
        return network


async def publish(
    client: Client, entry: NetworkEntry, network: Network, gates: Iterable[GateHandle], *, again: bool = False
) -> None:
    """Publish the entry with the network and its gates; `again`: it is published, with other gates or another owner.

    Raises
    ------
    NameConflictError
        when the name is taken.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`: it may still do it.
    """
    gates = list(gates)
    addresses = tuple((gate.name, gate.worker, str(gate.future.key)) for gate in gates)
    published = replace(entry, spec=dumps(network), gates=addresses)
    futures = [gate.future for gate in gates if _is_held(gate)]
    datasets: dict[Any, Any] = {_ENTRY + entry.name: published, _FUTURES + entry.name: futures}
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            await finished(client.publish_dataset(datasets, override=again))
    except KeyError:
        raise await _taken(client, entry.name) from None


def _is_held(gate: GateHandle) -> bool:
    return not isinstance(gate.future, ForgottenKey) and gate.future.status != "cancelled"


async def unpublish(client: Client, name: str, gates: Iterable[str] = ()) -> None:
    """Free the name, unless a network with other `gates` has it by now.

    No error when it is unknown, or when the scheduler does not answer.
    """
    try:
        async with asyncio.timeout(config.seconds("timeouts.close")):
            entry = await get(client, name) if gates else None
            if entry is None or entry.keys == frozenset(gates):
                await client.unpublish_dataset([_ENTRY + name, _FUTURES + name])
    except OSError as error:  # a TimeoutError is one
        logger.info("the scheduler may still know the name %r: %r", name, error)


async def forget(client: Client, run: str) -> None:
    """Let the scheduler forget the retirement of a network's workers; no error when it does not answer."""
    try:
        async with asyncio.timeout(config.seconds("timeouts.close")):
            await client.run_on_scheduler(forget_network, run)
    except Exception as error:
        logger.info("the scheduler may still retire workers for run %s: %r", run, error)


async def names(client: Client) -> list[str]:
    """The names of all networks of the cluster, sorted.

    Raises
    ------
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        found = map(str, await client.list_datasets())
    return sorted(name.removeprefix(_ENTRY) for name in found if name.startswith(_ENTRY))


async def refuse_taken(client: Client, name: str) -> None:
    """Check that a name is free, before anything is created.

    Raises
    ------
    NameConflictError
        when the name is taken.
    """
    if name in await names(client):
        raise await _taken(client, name)


async def refuse_living(client: Client, url: str) -> None:
    """Check that no published network of this cluster writes the run at a URL, which is to be resumed.

    Raises
    ------
    CheckpointError
        when one does: names it.
    """
    for name in await names(client):
        entry = await get(client, name)
        if entry is not None and entry.snapshots is not None and entry.snapshots.url == url:
            raise CheckpointError(
                f"{url!r} is written by network {name!r}, which is on this cluster: take it over by adopt({name!r}, "
                f"client), or stop({name!r}, client) and resume then"
            )


async def _taken(client: Client, name: str) -> NameConflictError:
    run = ""
    with contextlib.suppress(OSError, AttributeError):  # of a client that is closed
        if (entry := await get(client, name)) is not None:
            run = f" run {entry.run[:12]} of client {entry.owner}"
            async with scheduler_deadline(client, config.seconds("timeouts.control")):
                held = await client.scheduler.who_has(keys=list(entry.keys))  # type: ignore[union-attr]
            if not any(held.values()):
                run += " has no gate now: its owner restarts them, as after the loss of a scheduler, or is gone itself"
            run += "."
    return NameConflictError(
        f"a network named {name!r} runs on this cluster:{run} Choose another name, join it by connect({name!r}, "
        f"client), or end it by `dask akkordeon stop {shlex.quote(name)}`, stop({name!r}, client)"
    )


async def require(client: Client, name: str) -> NetworkEntry:
    """The entry that is published under a name.

    Raises
    ------
    DeploymentError
        when there is none: lists the names there are.
    """
    entry = await get(client, name)
    if entry is None:
        known = ", ".join(await names(client)) or "none"
        raise DeploymentError(f"no network named {name!r} on this cluster, there is {known}: deploy it first")
    return entry


async def get(client: Client, name: str) -> NetworkEntry | None:
    """The entry that is published under a name; None when there is none.

    Raises
    ------
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    OSError
        when the client is closed.
    """
    # `Client.get_dataset` would ask the scheduler anew for every key that this client knows, also for those that the
    # user has cancelled or that are just being submitted, of which the scheduler's log would warn.
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        (published,) = await client.scheduler.publish_get(names=[_ENTRY + name])  # type: ignore[union-attr]
    return None if published is None else cast(NetworkEntry, published["data"])


async def check_lease(client: Client, name: str, ownership: str, generation: int) -> NetworkEntry:
    """Check that a network still has this ownership, of this generation; returns the entry as it is published.

    Raises
    ------
    ClosedError
        when another owner has taken it over, or it was stopped.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    now = await get(client, name)
    if now is None:
        raise ClosedError(f"network {name!r} has been stopped, or its name unpublished: deploy it again")
    if now.ownership != ownership:
        again = " (this one, which has adopted it since)" if now.owner == client.id else ""
        raise ClosedError(
            f"network {name!r} belongs to client {now.owner}{again}, as its owner of generation {now.generation} by "
            f"now, not to generation {generation}: leave it to that one, or connect to it"
        )
    return now


async def connect_gates(client: Client, entry: NetworkEntry) -> list[GateHandle]:
    """The gates of a network that another client has deployed.

    Raises
    ------
    DeploymentError
        when they are gone: a `RestartPendingError` where the owner restarts them.
    """
    gates, lost = await try_connect_gates(client, entry)
    if lost:
        release_gates(gates)
        gone = ", ".join(f"{gate.name!r} on {gate.worker}" for gate in lost)
        kind = DeploymentError if entry.snapshots is None else RestartPendingError
        raise kind(
            f"network {entry.name!r} has lost gate {gone}: it was closed just now, or its worker has died: "
            "stop it, if it is still listed, and deploy it again"
        )
    return gates


async def try_connect_gates(client: Client, entry: NetworkEntry) -> tuple[list[GateHandle], list[GateHandle]]:
    """The gates of a network that another client has deployed, and those among them that are gone or do not answer."""
    assert client.scheduler is not None
    # Asked first: a future of a key that is gone would wait until its deadline.
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        held = await client.scheduler.who_has(keys=list(entry.keys))
    gates = [
        GateHandle(name, worker, Future(key, client) if held.get(key) else ForgottenKey(key))
        for name, worker, key in entry.gates
    ]
    found = [gate for gate in gates if not isinstance(gate.future, ForgottenKey)]
    # These keys and no others: other keys that this client knows may have gone in the meantime.
    client._send_to_scheduler({"op": "client-desires-keys", "keys": [gate.future.key for gate in found]})
    limit = config.seconds("timeouts.deploy")
    try:
        answers = await asyncio.gather(*(gate.wait_until_created(limit) for gate in found), return_exceptions=True)
    except BaseException:
        release_gates(gates)
        raise
    for gate, answer in zip(found, answers, strict=True):
        if isinstance(answer, BaseException):
            gate.release()
            gate.future = ForgottenKey(str(gate.future.key))
    return gates, [gate for gate in gates if isinstance(gate.future, ForgottenKey)]
