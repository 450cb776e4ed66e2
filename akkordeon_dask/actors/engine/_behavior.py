"""The behavior of an actor: a state machine that knows no thread, mailbox or network."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from akkordeon_dask.messages import Address, Message

__all__ = ["Behavior", "Computation", "Send"]

Send: TypeAlias = Callable[[Address, Message], None]
"""Sends a message to an actor. It never blocks and never raises."""


class Computation(Protocol):
    """Numbers only: a pure function of its inputs. Any thread may run it."""

    cheap: bool
    """It is expected to take less time than handing it to another thread."""

    def compute(self) -> None:
        """Run it, and keep its result or its error."""


class Behavior(Protocol):
    """The reactions of an actor to messages and timers. One thread at a time calls them."""

    def receive(self, message: Any) -> bool | None:
        """Handle one message; True asks for `on_timer` at once."""

    def on_timer(self, now: float) -> float:
        """Do what is due; returns the seconds until the next call."""

    def stop(self) -> None:
        """Release everything. Called last."""
