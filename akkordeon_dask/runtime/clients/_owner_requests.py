"""What only the owner of a network can do, asked of it by other clients: through the scheduler, which both know.

The client that asks calls the scheduler, which hands the request to the owner as an event and keeps the call until the
owner has answered, or is gone, or the time is over. Nothing of it stays on the scheduler.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeadlineError, DeploymentError, TrainingError
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._registry import require
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["OwnerRequests", "ask", "ask_owner"]

logger = logging.getLogger(__name__)

Verbs: TypeAlias = Mapping[str, Callable[..., Awaitable[Any]]]

_TOPIC, _EXTENSION = "akkordeon-requests", "akkordeon-requests"
_LOOK = 0.25
"""Seconds between two looks whether the owner still lives."""


@dataclass(frozen=True)
class _Answer:
    """What a verb of the owner gave, or raised."""

    value: Any = None
    error: AkkordeonError | None = None


def _topic(run: str, generation: int) -> str:
    """Each owner of each deployment has a topic of its own: a former one gets no requests."""
    return f"{_TOPIC}/{run}/{generation}"


class OwnerRequests:
    """Answers the requests of other clients, from `listen` to `close`. On the owner's client's event loop."""

    def __init__(self, session: "Session", verbs: Verbs) -> None:
        self._session, self._verbs = session, dict(verbs)
        self._listening = self._closed = False
        self._topic = _topic(session.run, session.generation)
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self) -> None:
        """Take requests from now on."""
        self._session.client.subscribe_topic(self._topic, self._receive)
        self._listening = True

    async def close(self) -> None:
        """Take no more; those that are worked on get no answer of their verb, but one at once."""
        if self._listening and self._session.client.status == "running":
            self._session.client.unsubscribe_topic(self._topic)
        self._closed = True
        self._verbs.clear()  # Dask keeps the handler
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _receive(self, event: tuple[float, Mapping[str, Any]]) -> None:
        task = asyncio.get_running_loop().create_task(self._work(event[1]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, request: Mapping[str, Any]) -> None:
        answer = await self._answer(str(request["verb"]), request["arguments"])
        try:
            async with asyncio.timeout(config.seconds("timeouts.connect")):
                await self._session.client.run_on_scheduler(_deliver, request["id"], answer)
        except Exception as error:  # who asked has its own deadline
            logger.warning("no answer to %s of network %r: %r", request["verb"], self._session.name, error)

    async def _answer(self, verb: str, arguments: Any) -> _Answer:
        name = self._session.name
        try:
            if self._closed:
                raise DeploymentError(f"network {name!r} is being closed by its owner: look at `status`")
            if verb not in self._verbs:
                raise DeploymentError(f"the owner of network {name!r} knows no {verb!r}: it is of another version")
            return _Answer(await self._verbs[verb](*arguments))
        except AkkordeonError as error:
            return _Answer(error=error)
        except asyncio.CancelledError:
            text = f"network {name!r} was closed by its owner while it worked on {verb!r}: look at `status`"
            return _Answer(error=DeploymentError(text))
        except Exception as error:
            logger.exception("%s of network %r for another client", verb, name)
            return _Answer(error=TrainingError(f"{verb} of network {name!r}: {error!r}: look at its owner's log"))


def ask(client: Client, network: str, verb: str, *arguments: Any) -> Any:
    """`ask_owner` for a client of either kind, which need not have connected to the network."""
    check_name("a network's name", network)
    return check_client(client).sync(ask_owner, client, network, verb, *arguments)


async def ask_owner(client: Client, network: str, verb: str, *arguments: Any) -> Any:
    """What a verb of the network's owner gives: `move`, `drain` or `rebalance`, with the arguments that `Running` has.

    Raises
    ------
    DeploymentError
        when there is no such network, or it has no owner (any more).
    DeadlineError
        when the owner does not answer within `timeouts.owner`: it may still do it.
    AkkordeonError
        what the verb raises there.
    """
    record, limit = await require(client, network), config.seconds("timeouts.owner")
    topic = _topic(record.run, record.generation)
    request = {"id": uuid.uuid4().hex, "verb": verb, "arguments": list(arguments)}
    async with scheduler_deadline(client, limit + config.seconds("timeouts.connect")):
        told: _Answer | str = await client.run_on_scheduler(_ask, topic, record.owner, request, limit)
    if isinstance(told, _Answer):
        if told.error is not None:
            raise told.error
        return told.value
    if told == "gone":
        raise DeploymentError(
            f"network {network!r} has no owner, client {record.owner} is gone: take it over, "
            f"`dask akkordeon network --adopt {network}` or adopt({network!r}, client), then ask again"
        )
    raise DeadlineError(
        f"the owner of network {network!r}, client {record.owner}, did not answer to {verb!r} within {limit:g} s: look "
        "at its program, it may still do it; or adopt the network"
    )


async def _ask(topic: str, owner: str, request: dict[str, Any], limit: float, dask_scheduler: Scheduler) -> Any:
    """On the scheduler: hand a request to the owner; gives its answer, or `gone` or `late`."""
    waiting: dict[str, asyncio.Future[Any]] = dask_scheduler.extensions.setdefault(_EXTENSION, {})
    loop = asyncio.get_running_loop()
    answer = waiting[request["id"]] = loop.create_future()
    end = loop.time() + limit
    try:
        if owner in dask_scheduler.clients:
            event = {"op": "event", "topic": topic, "event": (loop.time(), request)}
            dask_scheduler.client_send(owner, event)
        while owner in dask_scheduler.clients and loop.time() < end:
            done, _ = await asyncio.wait([answer], timeout=min(_LOOK, end - loop.time()))
            if done:
                return answer.result()
        return "late" if owner in dask_scheduler.clients else "gone"
    finally:
        del waiting[request["id"]]


def _deliver(request: str, answer: _Answer, dask_scheduler: Scheduler) -> None:
    """On the scheduler: the owner's answer; nobody may wait for it any more."""
    future = dask_scheduler.extensions.get(_EXTENSION, {}).get(request)
    if future is not None and not future.done():
        future.set_result(answer)
