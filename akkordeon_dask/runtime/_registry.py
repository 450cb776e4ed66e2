"""Networks with a name, as the scheduler keeps them."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from distributed import Client, Future
from distributed.protocol.pickle import dumps, loads

from akkordeon_dask import config
from akkordeon_dask.errors import ClosedError, DeploymentError, NameConflictError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.runtime.handles._gate import ForgottenKey, GateHandle
from akkordeon_dask.runtime.recovery._gate_factory import GateFactory
from akkordeon_dask.snapshots import SnapshotPolicy

__all__ = [
    "NetworkEntry",
    "check_lease",
    "connect_gates",
    "get",
    "names",
    "publish",
    "refuse_taken",
    "require",
    "try_connect_gates",
    "unpublish",
]

logger = logging.getLogger(__name__)

_RECORD, _FUTURES = "akkordeon/", "akkordeon-gates/"


@dataclass(frozen=True)
class NetworkEntry:
    """What other clients learn of a network.

    It holds no futures. Published apart, those keep the gates alive, and nobody fetches them: in one process
    the client that does would make the owner's own futures its own.
    """

    name: str
    spec: bytes
    """The network, pickled: who only looks at it or stops it needs none of the modules that it was written with."""
    generation: int
    gates: tuple[tuple[str, str, str], ...]
    """Name, worker and key of each."""
    owner: str
    """The id of the client that deployed it, or took it over."""
    seed: int = 0
    keeping: SnapshotPolicy | None = None
    """Where its snapshots are."""
    source: SnapshotPolicy | None = None
    """Where those are that it was resumed from."""
    begun: float = 0.0
    """Seconds since 1970 when it was deployed."""
    run: str = ""
    """One that is deployed anew under the same name has another."""

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


async def publish(client: Client, making: GateFactory, gates: Iterable[GateHandle], *, again: bool = False) -> None:
    """Make the network known under its name; `again`: it is, and has other gates or another owner now.

    Raises
    ------
    NameConflictError
        when the name is taken.
    DeadlineError
        when the scheduler does not answer within `timeouts.control`: it may still do it.
    """
    name, gates = making.name, list(gates)
    places = tuple((gate.name, gate.worker, str(gate.future.key)) for gate in gates)
    spec = dumps(making.network)
    kept = making.keeping, making.source
    record = NetworkEntry(
        name, spec, making.generation, places, client.id, making.seed, *kept, making.begun, making.run
    )
    futures = [gate.future for gate in gates if not isinstance(gate.future, ForgottenKey)]
    told: dict[Any, Any] = {_RECORD + name: record, _FUTURES + name: futures}
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            await client.publish_dataset(told, override=again)
    except KeyError:
        raise _taken(name) from None


async def unpublish(client: Client, name: str, gates: Iterable[str] = ()) -> None:
    """Forget the name, unless it is that of a network with other `gates` by now.

    No error when it is unknown, or when the scheduler, which alone knows it, does not answer.
    """
    try:
        async with asyncio.timeout(config.seconds("timeouts.close")):
            record = await get(client, name) if gates else None
            if record is None or record.keys == frozenset(gates):
                await client.unpublish_dataset([_RECORD + name, _FUTURES + name])
    except OSError as error:  # a TimeoutError is one
        logger.info("the scheduler may still know the name %r: %r", name, error)


async def names(client: Client) -> list[str]:
    """The names of all networks of the cluster, sorted.

    Raises
    ------
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    """
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        found = map(str, await client.list_datasets())
    return sorted(name.removeprefix(_RECORD) for name in found if name.startswith(_RECORD))


async def refuse_taken(client: Client, name: str) -> None:
    """Look before anything is made.

    Raises
    ------
    NameConflictError
        when the name is taken.
    """
    if name in await names(client):
        raise _taken(name)


def _taken(name: str) -> NameConflictError:
    return NameConflictError(
        f"a network named {name!r} runs on this cluster: choose another name, or connect({name!r}, client)"
    )


async def require(client: Client, name: str) -> NetworkEntry:
    """What was published under a name.

    Raises
    ------
    DeploymentError
        when there is nothing: lists what there is.
    """
    record = await get(client, name)
    if record is None:
        there = ", ".join(await names(client)) or "none"
        raise DeploymentError(f"no network named {name!r} on this cluster, there is {there}: deploy it first")
    return record


async def get(client: Client, name: str) -> NetworkEntry | None:
    """What was published under a name; None when there is nothing.

    Raises
    ------
    DeadlineError
        when the scheduler does not answer within `timeouts.control`.
    OSError
        when the client is closed.
    """
    try:
        async with scheduler_deadline(client, config.seconds("timeouts.control")):
            record: NetworkEntry = await client.get_dataset(_RECORD + name)
    except KeyError:
        return None
    return record


async def check_lease(client: Client, making: GateFactory) -> None:
    """The network is still that of this owner.

    Raises
    ------
    ClosedError
        when somebody has taken it over, or stopped it.
    """
    async with asyncio.timeout(config.seconds("timeouts.connect")):
        record = await get(client, making.name)
    if record is None or record.owner != client.id:
        owner = "nobody" if record is None else f"client {record.owner}, as its owner of generation {record.generation}"
        raise ClosedError(
            f"network {making.name!r} belongs to {owner} by now, not to generation {making.generation}: "
            "leave it to that one, or connect to it"
        )


async def connect_gates(client: Client, record: NetworkEntry) -> list[GateHandle]:
    """The gates of a network that another client has made.

    Raises
    ------
    DeploymentError
        when they are gone.
    """
    gates, lost = await try_connect_gates(client, record)
    if lost:
        for gate in gates:
            gate.release()
        gone = ", ".join(f"{gate.name!r} on {gate.worker}" for gate in lost)
        raise DeploymentError(
            f"network {record.name!r} has lost gate {gone}: it was closed just now, or its worker has died: "
            "stop it, if it is still listed, and deploy it again"
        )
    return gates


async def try_connect_gates(client: Client, record: NetworkEntry) -> tuple[list[GateHandle], list[GateHandle]]:
    """The gates of a network that another client has made, and those among them that are gone or do not answer."""
    assert client.scheduler is not None
    # Asked first: a future of a key that is gone would wait until its deadline.
    async with scheduler_deadline(client, config.seconds("timeouts.control")):
        held = await client.scheduler.who_has(keys=list(record.keys))
    gates = [
        GateHandle(name, worker, Future(key, client) if held.get(key) else ForgottenKey(key))
        for name, worker, key in record.gates
    ]
    here = [gate for gate in gates if not isinstance(gate.future, ForgottenKey)]
    # These keys and no others: what else this client knows may have gone in the meantime.
    client._send_to_scheduler({"op": "client-desires-keys", "keys": [gate.future.key for gate in here]})
    limit = config.seconds("timeouts.deploy")
    try:
        answers = await asyncio.gather(*(gate.made(limit) for gate in here), return_exceptions=True)
    except BaseException:
        for gate in gates:
            gate.release()
        raise
    for gate, answer in zip(here, answers, strict=True):
        if isinstance(answer, BaseException):
            gate.release()
            gate.future = ForgottenKey(str(gate.future.key))
    return gates, [gate for gate in gates if isinstance(gate.future, ForgottenKey)]
