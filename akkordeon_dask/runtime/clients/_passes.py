"""The passes of sentinels that other clients attached: Dask events, which the scheduler's telemetry keeps."""

import logging
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.messages import PASS_TOPIC, PassReport, sentinel_key_base
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.telemetry import install

__all__ = ["fetch_passes", "follow_passes"]

logger = logging.getLogger(__name__)

Listener: TypeAlias = "weakref.ref[Session]"

_listeners: "weakref.WeakKeyDictionary[Client, set[Listener]]" = weakref.WeakKeyDictionary()
"""Dask has one listener a topic and client. An entry that held its client would never end. Used on the clients' event
loops: each changes its own entry."""


def follow_passes(session: Session) -> Callable[[], None]:
    """Add the passes of other clients' sentinels to the session from now on; returns the function that ends this.

    On the client's event loop.
    """
    client, listener = session.client, weakref.ref(session)
    listeners = _listeners.setdefault(client, set())
    listeners.add(listener)
    subscribe = partial(client.subscribe_topic, PASS_TOPIC, partial(_on_event, listeners))
    session.scheduler_loss.reconnected.append(subscribe)
    if len(listeners) == 1:
        subscribe()

    def end() -> None:
        listeners.discard(listener)
        if not listeners and client.status == "running":
            client.unsubscribe_topic(PASS_TOPIC)

    return end


def _on_event(listeners: set[Listener], event: tuple[float, Mapping[str, Any]]) -> None:
    for listener in list(listeners):
        if (session := listener()) is not None:
            _add(session, event[1])


def _add(session: Session, event: Mapping[str, Any]) -> None:
    """Add the pass of an event; those of this client's sentinels come from the sentinels themselves."""
    base = sentinel_key_base(event.get("key", ""))
    if event.get("network") != session.name or event.get("mode") == "predict" or base in session.own_keys:
        return
    try:
        report = PassReport.from_dict(event)
    except (KeyError, TypeError) as error:
        logger.warning("an event of the topic %r is no pass: %r (%r)", PASS_TOPIC, event, error)
        return
    if session.passes.add_other(base, report):
        session.notify(report, mine=False)


async def fetch_passes(session: Session) -> None:
    """Add the passes that ended before, as far as the scheduler keeps them.

    No error when it does not answer.
    """
    try:
        async with scheduler_deadline(session.client, config.seconds("timeouts.connect")):
            passes: list[PassReport] = await session.client.run_on_scheduler(_passes, session.name)
    except Exception as error:
        logger.info("the passes of other clients on network %r are not known: %r", session.name, error)
        return
    for one in passes:
        _add(session, {"network": session.name, **one.as_dict()})


def _passes(network: str, dask_scheduler: Scheduler) -> list[PassReport]:
    """On the scheduler: the passes of a network that its telemetry keeps, oldest first."""
    network_telemetry = install(dask_scheduler).store.networks.get(network)
    return [] if network_telemetry is None else list(network_telemetry.passes)
