"""Events of a network while a command runs: gates and sentinels that are lost, recovered, moved."""

import contextlib
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime import Running

__all__ = ["event_line", "events_of"]

_LAST_WORDS = 5.0
"""Seconds for a terminal to take what is left."""
_SHOWN_ELSEWHERE = frozenset(("pass", "deployed", "closed"))


@contextmanager
def events_of(running: Running, show: Callable[[Mapping[str, Any]], None]) -> Iterator[None]:
    """Call `show` with each event of the network in here, in a thread of its own: a terminal may take its time."""
    client = running.client
    events: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()

    def receive(event: tuple[float, Any]) -> None:
        told = event[1]
        if isinstance(told, dict) and told.get("network") == running.name and told["event"] not in _SHOWN_ELSEWHERE:
            events.put(told)

    def write() -> None:
        with contextlib.suppress(OSError):  # nobody reads any more
            while (told := events.get()) is not None:
                show(told)

    writer = threading.Thread(target=write, name="akkordeon events", daemon=True)
    writer.start()
    client.subscribe_topic(TOPIC, receive)
    try:
        yield
    finally:
        if client.status == "running":
            client.unsubscribe_topic(TOPIC)
        events.put(None)
        writer.join(_LAST_WORDS)


def event_line(told: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, str]:
    """An event's label and text for people; `names` has the workers' by their addresses."""
    who = next((f"{kind} {told[kind]!r}: " for kind in ("gate", "sentinel") if kind in told), "")
    text = str(told.get("text", ""))
    for address, name in names.items():
        if name != address:
            text = re.sub(re.escape(address) + r"(?!\d)", f"{name} ({address})".replace("\\", "\\\\"), text)
    return str(told["event"]), who + text
