"""The passes of sentinels that other clients attached: they are Dask events, and the scheduler remembers them."""

import logging
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from distributed import Client, Scheduler

from akkordeon_dask import config
from akkordeon_dask.messages import PASS_TOPIC, PassReport
from akkordeon_dask.runtime.clients._sentinel_names import key_base
from akkordeon_dask.runtime.cluster._queries import scheduler_deadline
from akkordeon_dask.telemetry import install

if TYPE_CHECKING:
    from akkordeon_dask.runtime._session import Session

__all__ = ["fetch_passes", "follow_passes"]

logger = logging.getLogger(__name__)

Listener: TypeAlias = "weakref.ref[Session]"

_listeners: "weakref.WeakKeyDictionary[Client, set[Listener]]" = weakref.WeakKeyDictionary()
"""Dask has one listener a topic and client. An entry that held its client would never end. Used on the clients' event
loops: each changes its own entry."""


def follow_passes(session: "Session") -> Callable[[], None]:
    """From now on have the passes of other clients' sentinels in the session's diary; gives what ends it.

    On the client's event loop.
    """
    client, listener = session.client, weakref.ref(session)
    there = _listeners.setdefault(client, set())
    there.add(listener)
    if len(there) == 1:
        client.subscribe_topic(PASS_TOPIC, partial(_hand_on, there))

    def end() -> None:
        there.discard(listener)
        if not there and client.status == "running":
            client.unsubscribe_topic(PASS_TOPIC)

    return end


def _hand_on(there: set[Listener], event: tuple[float, Mapping[str, Any]]) -> None:
    for listener in list(there):
        if (session := listener()) is not None:
            _take(session, event[1])


def _take(session: "Session", told: Mapping[str, Any]) -> None:
    """A pass has ended somewhere; those of this client's sentinels come with the sentinels' own news."""
    base = key_base(told.get("key", ""))
    if told.get("network") != session.name or told.get("mode") == "predict" or base in session.own_keys:
        return
    try:
        report = PassReport.from_dict(told)
    except (KeyError, TypeError) as error:
        logger.warning("an event of the topic %r is not one: %r (%r)", PASS_TOPIC, told, error)
        return
    if session.diary.add_other(base, report):
        session.notify(report, mine=False)


async def fetch_passes(session: "Session") -> None:
    """Have those in the diary, too, that ended before, as far as the scheduler remembers them.

    No error where it does not answer.
    """
    try:
        async with scheduler_deadline(session.client, config.seconds("timeouts.connect")):
            passes: list[PassReport] = await session.client.run_on_scheduler(_passes, session.name)
    except Exception as error:
        logger.info("the passes that others made of network %r are not known: %r", session.name, error)
        return
    for one in passes:
        _take(session, {"network": session.name, **one.as_dict()})


def _passes(network: str, dask_scheduler: Scheduler) -> list[PassReport]:
    """On the scheduler: the passes of a network that it remembers, oldest first."""
    record = install(dask_scheduler).store.networks.get(network)
    return [] if record is None else list(record.passes)
