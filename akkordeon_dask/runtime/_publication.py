"""Networks with a name, as the scheduler keeps them."""

import asyncio
from dataclasses import dataclass

from distributed import Client, Future

from akkordeon_dask import config
from akkordeon_dask.errors import DeploymentError, NameConflictError
from akkordeon_dask.network import Network
from akkordeon_dask.runtime._gate_handle import GateHandle

__all__ = ["Record", "find", "publish", "reach", "refuse_taken", "unpublish"]

_RECORD, _FUTURES = "akkordeon/", "akkordeon-gates/"


@dataclass(frozen=True)
class Record:
    """What other clients learn of a network.

    It holds no futures. Published apart, those keep the gates alive, and nobody fetches them: in one process
    the client that does would make the owner's own futures its own.
    """

    network: Network
    generation: int
    gates: tuple[tuple[str, str], ...]
    """Worker and key of each."""


async def publish(client: Client, name: str, network: Network, generation: int, gates: list[GateHandle]) -> None:
    """Make the network known under its name.

    Raises
    ------
    NameConflictError
        when the name is taken.
    """
    record = Record(network, generation, tuple((gate.worker, str(gate.future.key)) for gate in gates))
    try:
        await client.publish_dataset({_RECORD + name: record, _FUTURES + name: [gate.future for gate in gates]})
    except KeyError:
        raise _taken(name) from None


async def unpublish(client: Client, name: str) -> None:
    """Forget the name; no error when it is unknown."""
    await client.unpublish_dataset([_RECORD + name, _FUTURES + name])


async def refuse_taken(client: Client, name: str) -> None:
    """Look before anything is made.

    Raises
    ------
    NameConflictError
        when the name is taken.
    """
    if _RECORD + name in await client.list_datasets():
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
    try:
        record: Record = await client.get_dataset(_RECORD + name)
    except KeyError:
        known = [key.removeprefix(_RECORD) for key in await client.list_datasets() if key.startswith(_RECORD)]
        there = ", ".join(sorted(known)) or "none"
        raise DeploymentError(f"no network named {name!r} on this cluster, there is {there}: deploy it first") from None
    return record


async def reach(client: Client, record: Record) -> list[GateHandle]:
    """The gates of a network that another client has made.

    Raises
    ------
    DeploymentError
        when they are gone.
    """
    gates = [
        GateHandle(name, worker, Future(key, client))
        for name, (worker, key) in zip(record.network.names, record.gates, strict=True)
    ]
    client._inform_scheduler_of_futures()
    limit = config.seconds("timeouts.deploy")
    try:
        await asyncio.gather(*(gate.made(limit) for gate in gates))
    except BaseException:
        for gate in gates:
            gate.release()
        raise
    return gates
