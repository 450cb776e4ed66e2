"""The metrics of actors, which ride on the heartbeat of their worker."""

from dataclasses import asdict, dataclass
from typing import Any

from akkordeon_dask.messages._confusion import Confusion
from akkordeon_dask.messages._messages import Mode
from akkordeon_dask.messages._pass_report import PassProgress

__all__ = ["PASS_TOPIC", "TOPIC", "GateMetrics", "LinkMetrics", "Metrics", "SentinelMetrics"]

TOPIC = "akkordeon"
"""The name of the metric on the heartbeat, and the topic of Dask's events."""
WAITS = 5.0
"""Seconds without a batch of the provider from which on a sentinel says that it waits for data."""
PASS_TOPIC = "akkordeon-passes"
"""The topic of passes alone, to which clients of this package listen: a client has one listener a topic."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The common metrics of gates and sentinels. Counts are totals of an incarnation: rates are differences."""

    network: str
    name: str
    key: str
    """The actor's key on the cluster, never used twice."""
    at: float
    """Seconds of the worker's monotonic clock at the time of the metrics."""
    busy: float
    """Seconds of work of the actor."""

    def as_dict(self) -> dict[str, Any]:
        """The metrics as plain types, for the heartbeat."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GateMetrics(Metrics):
    """A gate."""

    position: int
    """Gates in front of it."""
    parameters: int
    """Numbers that training adjusts."""
    forwards: int
    """Samples of training whose forward pass is done."""
    backwards: int
    """Samples whose backward pass is done."""
    evaluated: int
    """Samples of validation and prediction."""
    updates: int
    version: int
    """The number of its present version."""
    mailbox: int
    """Waiting batches."""
    contexts: int
    """Batches whose forward pass is kept for their backward pass."""
    versions: int
    """Versions of the parameters that are held."""
    failed: int
    """Failed batches."""
    dropped: int
    """Dropped messages: repeated, late, or of a closed sentinel."""
    nbytes_in: int
    """Bytes of received arrays, from this worker or another."""
    nbytes_out: int
    """Bytes of sent arrays."""
    delays: tuple[tuple[int, int], ...]
    """Pairs of a delay in updates and its number of gradients."""
    stuck: str = ""
    """A text on a computation that takes far too long; empty where none does."""
    hangs: bool = False
    """Whether the computation of `stuck` makes no progress."""


@dataclass(frozen=True, slots=True)
class SentinelMetrics(Metrics):
    """A sentinel."""

    mode: Mode
    state: str
    epoch: int
    """Finished and open passes."""
    epochs: int | None
    """Passes after which it rests; None: no limit."""
    samples: int
    """Completed samples."""
    lost: int
    """Lost samples."""
    resent: int
    """Batches that were sent more than once."""
    restarts: int
    """Passes that were restarted because a gate had lost its pin."""
    dropped: int
    """Messages that belonged to no batch in flight."""
    in_flight: int
    """Batches in flight."""
    concurrency: int
    """The maximum of batches in flight."""
    progress: PassProgress | None = None
    """The progress of the oldest open pass; None between two passes."""
    waiting: float = 0.0
    """Seconds for which it has waited for its provider's next batch; 0: it does not."""
    confusion: Confusion | None = None
    """Of the pass that it has finished last, for some seconds; None: the scheduler has it, or its data have no classes.
    """

    @property
    def waits(self) -> bool:
        """It has waited for data for so long that people should know."""
        return self.waiting >= WAITS

    @property
    def activity(self) -> str:
        """Its state, or what it waits for, in words."""
        return f"waiting for data since {self.waiting:.0f} s" if self.waits else self.state


@dataclass(frozen=True, slots=True)
class LinkMetrics:
    """A connection to another worker."""

    peer: str
    """Its address."""
    nbytes: int
    """Written bytes."""
    unsent: int
    """Unacknowledged bytes."""
    lost: int
    """Messages that were dropped because the peer could not be reached or did not read."""
    failing: float = 0.0
    """Seconds since the first of the attempts to connect that all failed, the last of them lately; 0: it connects."""
    error: str = ""
    """The error of the last one."""

    def as_dict(self) -> dict[str, Any]:
        """The metrics as plain types, for the heartbeat."""
        return asdict(self)
