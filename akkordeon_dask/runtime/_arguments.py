"""Checks of the verbs' arguments: they raise at the call, before anything is sent."""

import inspect
from typing import Any

from distributed import Client

from akkordeon_dask._durations import parse_duration
from akkordeon_dask._names import check_printable
from akkordeon_dask._numbers import check_count
from akkordeon_dask.errors import ClosedError, SpecError

__all__ = ["check_client", "check_epochs", "check_listener", "check_name", "check_timeout"]


def check_client(client: Any, *, optional: bool = False) -> Client:
    """An open client of a cluster, or None where that is `optional`.

    Raises
    ------
    SpecError
        when it is none.
    ClosedError
        when it is closed.
    """
    if not (isinstance(client, Client) or (optional and client is None)):
        hint = repr(client) if isinstance(client, str) else "'tcp://HOST:8786'"
        kind = "a distributed.Client or None" if optional else "a distributed.Client"
        raise SpecError(f"client is {kind}, not {client!r:.80}: write Client({hint})")
    if client is not None and client.status == "closed":
        raise ClosedError(f"client {client.id} is closed: make another one")
    return client  # type: ignore[return-value]


def check_name(label: str, name: Any) -> str:
    """A name as text.

    Raises
    ------
    SpecError
        when it is none, is empty, or has characters that cannot be printed.
    """
    return check_printable(label, name)


def check_epochs(epochs: Any) -> int | None:
    """A number of passes, or None.

    Raises
    ------
    SpecError
        when it is neither.
    """
    return None if epochs is None else check_count("epochs", epochs)


def check_timeout(timeout: Any) -> float | None:
    """Seconds, or None for as long as it takes.

    Raises
    ------
    SpecError
        when it is no time above zero.
    """
    return None if timeout is None else parse_duration("timeout", timeout)


def check_listener(listener: Any) -> None:
    """A function that can be called with one pass.

    Raises
    ------
    SpecError
        when it is none, or one that would have to be awaited.
    """
    if not callable(listener):
        raise SpecError(f"subscribe takes a function of one pass, e.g. print, not {listener!r:.80}")
    if inspect.iscoroutinefunction(listener):
        raise SpecError(f"subscribe takes a function that is not async, not {listener!r:.80}: let it start a task")
    try:
        inspect.signature(listener).bind(None)
    except TypeError as error:
        raise SpecError(f"subscribe takes a function of one pass, {listener!r:.80} is not: {error}") from None
    except ValueError:  # a builtin without a signature
        pass
