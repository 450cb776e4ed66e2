"""The messages of the data plane."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from akkordeon_dask.tree import Array

__all__ = ["Address", "Backward", "Failed", "Forward", "Header", "Leave", "Message", "Mode", "Refused", "array_nbytes"]

Mode: TypeAlias = Literal["train", "validate", "test", "predict"]
"""`train` changes the gates; the others read one pinned version of each."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an actor is."""

    worker: str
    """The address of its Dask worker."""
    actor: str
    """The key of the actor on the cluster, never used twice."""


@dataclass(frozen=True, slots=True)
class Header:
    """What every message says about its batch. The sentinel makes it; gates pass it on as it is.

    A batch may be sent again, and be repeated or overtaken on its way. What is guaranteed: a pass counts each sample
    once, as done or as lost. A gate that lives, also one that moves, is updated at most once with each batch, by
    whichever attempt; it forgets a sentinel only after ten minutes without a word from it. A gate made anew from a
    snapshot has lost the updates since then and knows of no batch: one that is sent again to it updates it, whether the
    update before was lost or is in the snapshot. A sentinel made anew has another `reply_to`, so what it sends are
    other batches to the gates, though they hold samples of before.
    """

    network: str
    """The name of the network."""
    generation: int
    """The network's generation: a new owner raises it, and words of an older one are dropped."""
    sentinel: str
    """The name of the sentinel; its randomness depends on it."""
    reply_to: Address
    """Where predictions, the end of the backward pass, and failures go."""
    pass_number: int
    """The pass of the sentinel that the batch belongs to, from 1."""
    sequence: int
    """The number of the batch among all of this sentinel, from 0."""
    floor: int
    """Every batch of this sentinel with a lower sequence is finished: nobody will ask for it again."""
    attempt: int
    """How often the batch has been sent, from 1."""
    mode: Mode
    opening: bool
    """The batch opens a pass that reads pinned versions: a gate that does not know the pass pins its present one."""
    deadline: float
    """Seconds after which the sentinel gives this attempt up."""

    @property
    def batch(self) -> tuple[str, int]:
        """The batch's identity, the same for all attempts."""
        return self.reply_to.actor, self.sequence

    def __str__(self) -> str:
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"batch {self.sequence} of pass {self.pass_number} of sentinel {self.sentinel!r}{again}"


@dataclass(frozen=True, slots=True)
class Forward:
    """Activations on their way from the front to the back; from the last gate, predictions to the sentinel."""

    header: Header
    x: Array
    """(batch, *shape)"""
    trained: tuple[int, int] | None = None
    """From the last gate to the sentinel: the updates and the samples of the version that predicted."""


@dataclass(frozen=True, slots=True)
class Backward:
    """A gradient on its way from the back to the front; from the first gate, the end of the batch."""

    header: Header
    dy: Array | None
    """The gradient by what the receiver had sent, of its shape and dtype; None from the first gate to the sentinel."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A gate could not work on the batch."""

    header: Header
    gate: str
    worker: str
    reason: str
    """The exception, as text, with the place it was raised at."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A gate does not know the pin of the batch's pass: the pass has to start again."""

    header: Header
    gate: str


@dataclass(frozen=True, slots=True)
class Leave:
    """A sentinel is gone: gates drop what they hold for it, and what still arrives from it."""

    network: str
    sentinel: Address


Message: TypeAlias = Forward | Backward | Failed | Refused | Leave


def array_nbytes(message: Message) -> int:
    """Bytes of its array; 0 where it has none."""
    array = message.x if isinstance(message, Forward) else message.dy if isinstance(message, Backward) else None
    return 0 if array is None else array.nbytes
