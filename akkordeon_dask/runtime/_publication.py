"""Networks with a name, as the scheduler keeps them."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from distributed import Client, Future
from distributed.protocol.pickle import dumps, loads

from akkordeon_dask import config
from akkordeon_dask.errors import DeploymentError, NameConflictError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._gate_handle import GateHandle

__all__ = ["Record", "find", "names", "publish", "reach", "read", "refuse_taken", "unpublish"]

logger = logging.getLogger(__name__)

_RECORD, _FUTURES = "akkordeon/", "akkordeon-gates/"


@dataclass(frozen=True)
class Record:
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
    """The id of the client that deployed it."""

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


async def publish(client: Client, name: str, network: Network, generation: int, gates: list[GateHandle]) -> None:
    """Make the network known under its name.

    Raises
    ------
    NameConflictError
        when the name is taken.
    """
    places = tuple((gate.name, gate.worker, str(gate.future.key)) for gate in gates)
    record = Record(name, dumps(network), generation, places, client.id)
    try:
        await client.publish_dataset({_RECORD + name: record, _FUTURES + name: [gate.future for gate in gates]})
    except KeyError:
        raise _taken(name) from None


async def unpublish(client: Client, name: str, gates: Iterable[str] = ()) -> None:
    """Forget the name, unless it is that of a network with other `gates` by now.

    No error when it is unknown, or when the scheduler, which alone knows it, does not answer.
    """
    try:
        async with asyncio.timeout(config.seconds("timeouts.close")):
            record = await read(client, name) if gates else None
            if record is None or record.keys == frozenset(gates):
                await client.unpublish_dataset([_RECORD + name, _FUTURES + name])
    except OSError as error:  # a TimeoutError is one
        logger.info("the scheduler may still know the name %r: %r", name, error)


async def names(client: Client) -> list[str]:
    """The names of all networks of the cluster, sorted."""
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


async def find(client: Client, name: str) -> Record:
    """What was published under a name.

    Raises
    ------
    DeploymentError
        when there is nothing: lists what there is.
    """
    record = await read(client, name)
    if record is None:
        there = ", ".join(await names(client)) or "none"
        raise DeploymentError(f"no network named {name!r} on this cluster, there is {there}: deploy it first")
    return record


async def read(client: Client, name: str) -> Record | None:
    """What was published under a name; None when there is nothing."""
    try:
        record: Record = await client.get_dataset(_RECORD + name)
    except KeyError:
        return None
    return record


async def reach(client: Client, record: Record) -> list[GateHandle]:
    """The gates of a network that another client has made.

    Raises
    ------
    DeploymentError
        when they are gone.
    """
    gates = [GateHandle(name, worker, Future(key, client)) for name, worker, key in record.gates]
    client._inform_scheduler_of_futures()
    limit = config.seconds("timeouts.deploy")
    try:
        await asyncio.gather(*(gate.made(limit) for gate in gates))
    except BaseException:
        for gate in gates:
            gate.release()
        raise
    return gates
