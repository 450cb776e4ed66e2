"""Events of a network while a command runs: gates and sentinels that are lost, recovered, moved."""

import contextlib
import queue
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from akkordeon_dask.cli._failures import HeldFailures, nobody
from akkordeon_dask.errors import AkkordeonError
from akkordeon_dask.messages import TOPIC
from akkordeon_dask.runtime import Running

__all__ = ["event_line", "events_of"]

_FLUSH_S = 5.0
"""Seconds for a terminal to take the remaining lines."""
_HELD_S = 10.0
"""Seconds without another event after which a failure is no longer expected to end the command."""
_SHOWN_ELSEWHERE = frozenset(("pass", "deployed", "closed"))


@contextmanager
def events_of(
    running: Running,
    record: Callable[[Mapping[str, Any]], None],
    show: Callable[[Mapping[str, Any]], None],
    own: Callable[[str], bool] = nobody,
) -> Iterator[None]:
    """Call `record` and `show` with each event of the network, in a thread: a slow terminal holds no client up.

    Parameters
    ----------
    record
        for programs: called at once.
    show
        for people: not called with the failure of a sentinel that the error tells with which this context is left.
    own
        whether the command ends with an error when the sentinel of this name fails.
    """
    client = running.client
    events: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
    failures, ended_with = HeldFailures(own), ""

    def receive(event: tuple[float, Any]) -> None:
        fields = event[1]
        ours = isinstance(fields, dict) and fields.get("network") == running.name
        if ours and fields["event"] not in _SHOWN_ELSEWHERE:
            events.put(fields)

    def write() -> None:
        with contextlib.suppress(OSError):  # the reader of the pipe has ended
            while True:
                try:
                    fields = events.get(timeout=_HELD_S if failures.held else None)
                except queue.Empty:
                    show_all(failures.release())
                    continue
                if fields is None:
                    break
                record(fields)
                show_all(failures.take(fields))
            show_all(failures.missing_in(ended_with))

    def show_all(found: Iterable[Mapping[str, Any]]) -> None:
        for fields in found:
            show(fields)

    writer = threading.Thread(target=write, name="akkordeon events", daemon=True)
    writer.start()
    client.subscribe_topic(TOPIC, receive)
    try:
        yield
    except AkkordeonError as error:
        ended_with = str(error)
        raise
    finally:
        if client.status == "running":
            client.unsubscribe_topic(TOPIC)
        events.put(None)
        writer.join(_FLUSH_S)


def event_line(fields: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, str]:
    """An event's label and text for people; `names` maps workers' addresses to their names."""
    actor = next((f"{kind} {fields[kind]!r}: " for kind in ("gate", "sentinel") if kind in fields), "")
    text = str(fields.get("text", "")).removeprefix(actor)
    for address, name in names.items():
        if name != address:
            text = re.sub(re.escape(address) + r"(?!\d)", f"{name} ({address})".replace("\\", "\\\\"), text)
    return str(fields["event"]), actor + text
