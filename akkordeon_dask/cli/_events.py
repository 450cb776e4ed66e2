"""Events of a network while a command runs: gates and sentinels that are lost, recovered, moved."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime import Running

__all__ = ["event_line", "events_of"]

_SHOWN_ELSEWHERE = frozenset(("pass", "deployed", "closed"))


@contextmanager
def events_of(running: Running, show: Callable[[Mapping[str, Any]], None]) -> Iterator[None]:
    """Call `show` with each event of the network in here, on the event loop of the command's own client."""
    client = running.client

    def receive(event: tuple[float, Any]) -> None:
        told = event[1]
        if isinstance(told, dict) and told.get("network") == running.name and told["event"] not in _SHOWN_ELSEWHERE:
            show(told)

    client.subscribe_topic(TOPIC, receive)
    try:
        yield
    finally:
        if client.status == "running":
            client.unsubscribe_topic(TOPIC)


def event_line(told: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, str]:
    """An event's label and text for people; `names` has the workers' by their addresses."""
    who = next((f"{kind} {told[kind]!r}: " for kind in ("gate", "sentinel") if kind in told), "")
    text = str(told.get("text", ""))
    for address, name in names.items():
        if name != address:
            text = re.sub(re.escape(address) + r"(?!\d)", f"{name} ({address})".replace("\\", "\\\\"), text)
    return str(told["event"]), who + text
