"""Everything that can go wrong, as one tree.

::

    AkkordeonError
    ├── SpecError              a network, gate, layer, optimizer or sentinel that cannot work as written
    │   ├── ShapeError         two shapes or dtypes that do not fit (layers, gates, data, checkpoints)
    │   └── NameConflictError  a name that is taken
    ├── DataError              data that cannot be read or is not what it should be
    ├── CheckpointError        a checkpoint that cannot be read or belongs to another network
    ├── MessageError           bytes that are no message of this package
    ├── PlacementError         a worker that does not exist or has no room, or no worker at all
    ├── DeploymentError        the cluster refused or lost an actor while it was set up
    ├── TrainingError          something failed while the network ran
    │   ├── GateError          a gate failed on a batch
    │   ├── SentinelError      a sentinel failed
    │   ├── LostBatchesError   a pass that lost too many batches, or all
    │   ├── NonFiniteError     a loss that is NaN or infinite
    │   ├── RolledBackError    a sentinel went back to an earlier moment, with all gates
    │   ├── WorkerLostError    the worker of an actor is gone
    │   └── SchedulerLostError the scheduler is gone, or does not answer
    ├── DeadlineError          an answer that did not come in time
    ├── ReportError            a report or a table that cannot be made or written
    └── ClosedError            a verb on something that was closed

Every message quotes the offending value, names both sides, and says what to do.
All of them pickle: they travel from workers to the person who waits.
"""

__all__ = [
    "AkkordeonError",
    "CheckpointError",
    "ClosedError",
    "DataError",
    "DeadlineError",
    "DeploymentError",
    "GateError",
    "LostBatchesError",
    "MessageError",
    "NameConflictError",
    "NonFiniteError",
    "PlacementError",
    "ReportError",
    "RolledBackError",
    "SchedulerLostError",
    "SentinelError",
    "ShapeError",
    "SpecError",
    "TrainingError",
    "WorkerLostError",
]


class AkkordeonError(Exception):
    """The root of all errors that this package raises on purpose."""


class SpecError(AkkordeonError, ValueError):
    """A network, gate, layer, optimizer or sentinel cannot work as it was written."""


class ShapeError(SpecError):
    """Two shapes or dtypes that meet do not fit."""


class NameConflictError(SpecError):
    """A name is taken: two gates of a network, or two networks of a cluster."""


class DataError(AkkordeonError, ValueError):
    """Data cannot be read, or is not what it should be."""


class CheckpointError(AkkordeonError, ValueError):
    """A checkpoint cannot be read, or belongs to another network."""


class MessageError(AkkordeonError, ValueError):
    """Something arrived that is not a message of this package."""


class PlacementError(AkkordeonError):
    """No worker answers to the placement that was asked for, or has what a gate takes."""


class DeploymentError(AkkordeonError):
    """The cluster refused or lost an actor while the network was set up, or a gate moves and takes no change now."""


class TrainingError(AkkordeonError):
    """Something failed while the network ran."""


class GateError(TrainingError):
    """A gate failed on a batch: the text names gate, worker, batch and cause."""


class SentinelError(TrainingError):
    """A sentinel failed: the text names sentinel, worker and cause."""


class LostBatchesError(TrainingError):
    """A pass lost more than `batch.max-lost` of its batches, or all of them: the text names gates and links."""


class NonFiniteError(TrainingError):
    """A loss, or its gradient, became NaN or infinite."""


class RolledBackError(TrainingError):
    """A sentinel went back to an earlier moment, with all gates: its client restarts it there."""

    def __init__(self, text: str, rollback: str = "") -> None:
        super().__init__(text)
        self.rollback = rollback
        """The name of the order to go back."""

    def __reduce__(self) -> tuple[type["RolledBackError"], tuple[str, str]]:
        return type(self), (str(self), self.rollback)


class WorkerLostError(TrainingError):
    """The worker that held an actor is gone."""


class SchedulerLostError(TrainingError):
    """The scheduler is gone, or does not answer: nothing is known of workers, gates and sentinels."""


class DeadlineError(AkkordeonError, TimeoutError):
    """An answer did not come in time."""


class ReportError(AkkordeonError):
    """A report or a table cannot be made or written."""


class ClosedError(AkkordeonError):
    """A verb was called on something that is closed."""
