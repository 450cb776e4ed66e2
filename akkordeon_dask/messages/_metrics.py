"""What actors say about themselves while they run. It rides on the heartbeat of their worker."""

from dataclasses import asdict, dataclass
from typing import Any

from akkordeon_dask.messages._messages import Mode
from akkordeon_dask.messages._pass_report import PassProgress

__all__ = ["PASS_TOPIC", "TOPIC", "GateMetrics", "LinkMetrics", "Metrics", "SentinelMetrics"]

TOPIC = "akkordeon"
"""The name of the metric on the heartbeat, and the topic of Dask's events."""
PASS_TOPIC = "akkordeon-passes"
"""The topic of passes alone, to which clients of this package listen: a client has one listener a topic."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What gates and sentinels have in common. Counts are totals of the actor's life: rates are differences."""

    network: str
    name: str
    key: str
    """The actor's key on the cluster, never used twice."""
    at: float
    """Seconds of the worker's monotonic clock when the figures were taken."""
    busy: float
    """Seconds of work of the actor's thread."""

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain types, for the heartbeat."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GateMetrics(Metrics):
    """A gate."""

    place: int
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
    """Updates since it was made."""
    mailbox: int
    """Batches that wait."""
    contexts: int
    """Batches whose forward pass is kept for their backward pass."""
    versions: int
    """Versions of the parameters that are held."""
    failed: int
    """Batches that it could not work on."""
    dropped: int
    """Messages that were not worked on: repeated, late, or of a sentinel that is gone."""
    nbytes_in: int
    """Bytes of arrays that came, from this worker or another."""
    nbytes_out: int
    """Bytes of arrays that it sent on."""
    delays: tuple[tuple[int, int], ...]
    """How many gradients (second) were how many updates late (first)."""


@dataclass(frozen=True, slots=True)
class SentinelMetrics(Metrics):
    """A sentinel."""

    mode: Mode
    state: str
    epoch: int
    """Passes that are finished, and the one that batches are drawn for."""
    epochs: int | None
    """Passes that it shall make; None: without end."""
    samples: int
    """Samples that came home."""
    lost: int
    """Samples that were given up."""
    resent: int
    """Batches that had to be sent more than once."""
    restarts: int
    """Passes that began anew because a gate had lost its pin."""
    dropped: int
    """Messages that belonged to no batch under way."""
    in_flight: int
    """Batches under way."""
    concurrency: int
    """Batches that may be under way."""
    progress: PassProgress | None = None
    """The oldest pass that is not finished; None between two passes."""


@dataclass(frozen=True, slots=True)
class LinkMetrics:
    """A connection to another worker."""

    peer: str
    """Its address."""
    nbytes: int
    """Bytes that were written."""
    unsent: int
    """Bytes that the peer has not acknowledged."""
    lost: int
    """Messages that were dropped because the peer could not be reached or did not read."""

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain types, for the heartbeat."""
        return asdict(self)
