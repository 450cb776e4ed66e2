"""The messages of the data plane."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from akkordeon_dask.messages._narrowing import Narrowing
from akkordeon_dask.tree import Array

__all__ = [
    "Address",
    "Backward",
    "Failed",
    "Flush",
    "Forward",
    "Header",
    "Leave",
    "Message",
    "Mode",
    "Refused",
    "StepEnd",
    "Waiting",
    "array_nbytes",
]

Mode: TypeAlias = Literal["train", "validate", "test", "predict"]
"""`train` changes the gates; the others read one pinned version of each."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of an actor."""

    worker: str
    """The address of its Dask worker."""
    actor: str
    """The key of the actor on the cluster, never used twice."""


@dataclass(frozen=True, slots=True)
class Header:
    """The batch of a message. The sentinel makes the header; gates pass it on unchanged.

    A batch may be resent, and be repeated or overtaken on its way. Guarantees: a pass counts each sample once, as done
    or as lost. A gate, also one that migrates, is updated at most once with each batch, by whichever attempt; it
    forgets a sentinel only after ten minutes without a message from it. A gate restarted from a snapshot has lost the
    updates since then and knows no batch: a batch that is resent updates it, whether the former update was lost or is
    part of the snapshot. A restarted sentinel has another `reply_to`, so the gates treat its batches as new ones,
    though they hold former samples.
    """

    network: str
    """The name of the network."""
    generation: int
    """The network's generation: a new owner raises it, and messages of an older one are dropped."""
    sentinel: str
    """The name of the sentinel; the batch's randomness depends on it."""
    reply_to: Address
    """The address for predictions, the end of the backward pass, and failures."""
    pass_number: int
    """The pass of the sentinel that the batch belongs to, from 1."""
    sequence: int
    """The number of the batch among all of this sentinel, from 0."""
    floor: int
    """Every batch of this sentinel with a lower sequence is finished and will not be resent."""
    attempt: int
    """The number of times that the batch has been sent, from 1."""
    mode: Mode
    opening: bool
    """The batch opens a pass that reads pinned versions: a gate that does not know the pass pins its present one."""
    deadline: float
    """Seconds after which the sentinel gives up this attempt."""
    weight: float = 1.0
    """Of the batch's samples, all together, in a mean of gradients over several batches."""
    skips_nonfinite: bool = False
    """A gate makes no update of a gradient that is NaN or infinite."""
    batch: tuple[str, int] = field(init=False, repr=False, compare=False)
    """The batch's identity, the same for all attempts. It is asked for some twenty times."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch", (self.reply_to.actor, self.sequence))

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
    """From the last gate to the sentinel: the updates and the samples of the version that predicted, and where the
    batch trains, with what it adds itself."""
    narrowing: Narrowing | None = None
    """`x` has half its bytes: `widened` gives it back."""


@dataclass(frozen=True, slots=True)
class Backward:
    """A gradient on its way from the back to the front; from the first gate, the end of the batch."""

    header: Header
    dy: Array | None
    """The gradient by the array that the receiver had sent, of its shape and dtype; None from the first gate."""
    narrowing: Narrowing | None = None
    """`dy` has half its bytes."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A gate failed on the batch."""

    header: Header
    gate: str
    worker: str
    reason: str
    """The exception as text, with the line that raised it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A gate does not know the pin of the batch's pass: the pass has to be restarted."""

    header: Header
    gate: str


@dataclass(frozen=True, slots=True)
class Leave:
    """A sentinel is gone: gates drop everything held for it, and its later messages."""

    network: str
    sentinel: Address


@dataclass(frozen=True, slots=True)
class Flush:
    """To the first gate of a network with synchronous updates: a sentinel sends no batch before the step has ended.

    The answer, once all gates have updated, is the same message.
    """

    network: str
    generation: int
    sentinel: Address
    floor: int
    """Every batch of this sentinel with a lower sequence is finished; in flight is none."""
    trained: tuple[int, int] | None = None
    """In the answer: the updates and the samples of the last gate's version."""


@dataclass(frozen=True, slots=True)
class StepEnd:
    """From gate to gate, and from the last one to the first: the step is over, update with what is accumulated."""

    network: str
    generation: int
    entry: Address
    """The first gate."""
    number: int
    """Of the step, among those of this incarnation of the first gate."""
    trained: tuple[int, int] | None = None
    """The updates and the samples of the sender's version."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first gate has a batch that was sent again, and will take it when the present step is over."""

    header: Header


Message: TypeAlias = Forward | Backward | Failed | Refused | Leave | Flush | StepEnd | Waiting


def array_nbytes(message: Message) -> int:
    """Bytes of its array; 0 where it has none."""
    array = message.x if isinstance(message, Forward) else message.dy if isinstance(message, Backward) else None
    return 0 if array is None else array.nbytes
