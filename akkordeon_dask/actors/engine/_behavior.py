"""The behavior of an actor: a state machine that knows no thread, mailbox or network."""

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from akkordeon_dask.messages import Address, Message

__all__ = ["HOLD", "Behavior", "Computation", "Hold", "Send"]

Send: TypeAlias = Callable[[Address, Message], None]
"""Sends a message to an actor. It never blocks and never raises. Any thread."""


class Computation(Protocol):
    """Numbers only: a pure function of its inputs. Any thread may run it, beside its actor's next messages."""

    samples: int
    """Of its batch; 0: not known yet."""

    @property
    def waits(self) -> bool:
        """It may sit without using the CPU, for a device that computes: that is no stuck thread."""

    @property
    def title(self) -> str:
        """The batch, for warnings."""

    def run(self) -> None:
        """Compute, and keep the result or the error; what depends on nothing else may be sent from here."""

    def send(self) -> None:
        """Send the result on. Called once the actor has it, or has it in its mailbox."""


class Hold:
    """The message has to wait until all computations of the actor are applied."""


HOLD = Hold()


class Behavior(Protocol):
    """The reactions of an actor to messages and timers. One thread at a time calls them."""

    wants_timer: bool
    """`on_timer` is to be called after this message, and not only when its time has come."""

    def receive(self, message: Any) -> Computation | Hold | None:
        """Handle one message; a returned computation is run, and handed to `apply`. `HOLD`: call again later."""

    def apply(self, computation: Any) -> None:
        """Take the result of a computation into the actor's state."""

    def on_timer(self, now: float) -> float:
        """Do what is due; returns the seconds until the next call."""

    def stop(self) -> None:
        """Release everything. Called last."""
