"""Requests of other clients to the owner of a network, through the scheduler.

The client calls the scheduler, which passes the request to the owner as an event and keeps the call until the owner has
answered, or is gone, or the time is over. Nothing of it stays on the scheduler.
"""

import asyncio
import logging
import shlex
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.errors import AkkordeonError, DeadlineError, DeploymentError, TrainingError
from akkordeon_dask.messages import network_of
from akkordeon_dask.runtime._arguments import check_client, check_name
from akkordeon_dask.runtime._registry import require
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline

__all__ = ["OwnerRequests", "ask", "ask_owner", "request_name"]

logger = logging.getLogger(__name__)

Verbs: TypeAlias = Mapping[str, Callable[..., Coroutine[Any, Any, Any]]]

_TOPIC, _EXTENSION = "akkordeon-requests", "akkordeon-requests"
_POLL = 0.25
"""Seconds between two checks whether the owner still lives."""


@dataclass(frozen=True)
class _Answer:
    """The result of a verb of the owner, or its error."""

    value: Any = None
    error: AkkordeonError | None = None


def _topic(run: str, generation: int) -> str:
    """Each owner of each deployment has a topic of its own: a former one gets no requests."""
    return f"{_TOPIC}/{run}/{generation}"


def _unnamed_topic(label: str) -> str:
    """Of the owner of a network that has no name on the cluster."""
    return f"{_TOPIC}/unnamed/{label}"


class OwnerRequests:
    """Answers the requests of other clients, from `listen` to `close`. On the owner's client's event loop."""

    def __init__(self, session: Session, verbs: Verbs) -> None:
        self._session, self._verbs = session, dict(verbs)
        self._listening = self._closed = False
        self._unnamed = None if session.published else _unnamed_topic(session.entry.name)
        self._topics: set[str] = set()
        """Of all generations that this owner has had."""
        self._requests: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[Any]] = set()
        """The verbs that run for them."""

    def listen(self) -> None:
        """Take requests from now on, of the owner's present generation."""
        entry = self._session.entry
        topic = self._unnamed or _topic(entry.run, entry.generation)
        self._topics.add(topic)
        self._session.client.subscribe_topic(topic, self._receive)
        self._listening = True

    async def close(self) -> None:
        """Cancel the verbs that run, and answer their requests and all later ones with an error."""
        self._closed = True
        self._verbs.clear()  # Dask keeps the handler
        if self._listening and self._session.client.status == "running":
            for topic in self._topics:
                self._session.client.unsubscribe_topic(topic)
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)

    def _receive(self, event: tuple[float, Mapping[str, Any]]) -> None:
        task = asyncio.get_running_loop().create_task(self._work(event[1]))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _work(self, request: Mapping[str, Any]) -> None:
        answer = await self._answer(str(request["verb"]), request["arguments"])
        try:
            async with asyncio.timeout(config.seconds("timeouts.connect")):
                await self._session.client.run_on_scheduler(_deliver, request["id"], answer)
        except Exception as error:  # the caller has its own deadline
            logger.warning("no answer to %s of network %r: %r", request["verb"], self._session.name, error)

    async def _answer(self, verb: str, arguments: Any) -> _Answer:
        name = self._session.name
        if self._closed:
            return _Answer(error=DeploymentError(f"network {name!r} is being closed by its owner: look at `status`"))
        if verb not in self._verbs:
            text = f"the owner of network {name!r} knows no {verb!r}: it is of another version"
            return _Answer(error=DeploymentError(text))
        call = asyncio.ensure_future(self._verbs[verb](*arguments))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        await asyncio.wait([call])
        if call.cancelled():
            text = f"network {name!r} was closed by its owner while it worked on {verb!r}: look at `status`"
            return _Answer(error=DeploymentError(text))
        error = call.exception()
        if error is None:
            return _Answer(call.result())
        if not isinstance(error, AkkordeonError):
            logger.error("%s of network %r for another client", verb, name, exc_info=error)
            error = TrainingError(f"{verb} of network {name!r}: {error!r}: look at its owner's log")
        return _Answer(error=error)


def ask(client: Client, network: str, verb: str, *arguments: Any) -> object:
    """`ask_owner` for a client of either kind, which need not have connected to the network."""
    check_name("a network's name", network)
    return check_client(client).sync(ask_owner, client, network, verb, *arguments)


async def ask_owner(client: Client, network: str, verb: str, *arguments: Any) -> object:
    """Let the network's owner `move`, `drain`, `rebalance` or `snapshot`, as `Running` does; returns the result.

    Raises
    ------
    DeploymentError
        when there is no such network, or it has no owner (any more).
    DeadlineError
        when the owner does not answer within `timeouts.owner`: it may still do it.
    AkkordeonError
        the error of the verb.
    """
    entry, limit = await require(client, network), config.seconds("timeouts.owner")
    topic = _topic(entry.run, entry.generation)
    request = {"id": uuid.uuid4().hex, "verb": verb, "arguments": list(arguments)}
    async with scheduler_deadline(client, limit + config.seconds("timeouts.connect")):
        answer: _Answer | str = await client.run_on_scheduler(_ask, topic, entry.owner, request, limit)
    if isinstance(answer, _Answer):
        if answer.error is not None:
            raise answer.error
        return answer.value
    if answer == "gone":
        raise DeploymentError(
            f"network {network!r} has no owner, client {entry.owner} is gone: take it over, "
            f"`dask akkordeon network --adopt {shlex.quote(network)}` or adopt({network!r}, client), then ask again"
        )
    raise DeadlineError(
        f"the owner of network {network!r}, client {entry.owner}, did not answer to {verb!r} within {limit:g} s: look "
        "at its program, it may still do it; or adopt the network"
    )


async def request_name(client: Client, label: str) -> None:
    """Let the owner of a network without a name publish it, by the label that it has in messages.

    No error where there is no such network, or its owner does not answer.
    """
    limit = config.seconds("timeouts.connect")
    request = {"id": uuid.uuid4().hex, "verb": "publish", "arguments": []}
    try:
        async with scheduler_deadline(client, limit):
            answer = await client.run_on_scheduler(_ask_unnamed, label, request, limit)
    except OSError as error:
        answer = error
    logger.info("network %r is asked to publish its name: %r", label, answer)


async def _ask_unnamed(label: str, request: dict[str, Any], limit: float, dask_scheduler: Scheduler) -> Any:
    """On the scheduler: pass a request to the client that holds the gates of a network without a name."""
    gates = (task for key, task in dask_scheduler.tasks.items() if task.actor and network_of(key) == label)
    owner = next((client.client_key for task in gates for client in task.who_wants or ()), None)
    return "gone" if owner is None else await _ask(_unnamed_topic(label), owner, request, limit, dask_scheduler)


async def _ask(topic: str, owner: str, request: dict[str, Any], limit: float, dask_scheduler: Scheduler) -> Any:
    """On the scheduler: pass a request to the owner; returns its answer, or `gone` or `late`."""
    waiting: dict[str, asyncio.Future[Any]] = dask_scheduler.extensions.setdefault(_EXTENSION, {})
    loop = asyncio.get_running_loop()
    answer = waiting[request["id"]] = loop.create_future()
    end = loop.time() + limit
    try:
        if owner in dask_scheduler.clients:
            event = {"op": "event", "topic": topic, "event": (loop.time(), request)}
            dask_scheduler.client_send(owner, event)
        while owner in dask_scheduler.clients and loop.time() < end:
            done, _ = await asyncio.wait([answer], timeout=min(_POLL, end - loop.time()))
            if done:
                return answer.result()
        return "late" if owner in dask_scheduler.clients else "gone"
    finally:
        del waiting[request["id"]]


def _deliver(request: str, answer: _Answer, dask_scheduler: Scheduler) -> None:
    """On the scheduler: the owner's answer; the caller may be gone."""
    future = dask_scheduler.extensions.get(_EXTENSION, {}).get(request)
    if future is not None and not future.done():
        future.set_result(answer)
