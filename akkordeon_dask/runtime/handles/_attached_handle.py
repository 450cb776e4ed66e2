"""The base of the handles of sentinels and of groups: their state, and the verbs that every one of them has."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from akkordeon_dask.actors import SentinelActor, SentinelState
from akkordeon_dask.errors import AkkordeonError, ClosedError, DeadlineError, WorkerLostError
from akkordeon_dask.messages import PassProgress, PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime.handles._actor_handle import ActorHandle
from akkordeon_dask.runtime.handles._sentinel_names import Reservation
from akkordeon_dask.telemetry import PassLog

__all__ = ["GONE", "Attached"]

GONE = (WorkerLostError, ClosedError, DeadlineError)
"""Errors of sentinels that answer no call any more."""
_KEPT = 10_000
"""Passes that are kept; of more the older ones are thinned."""


class Attached(ABC):
    """A sentinel at work, or a group of sentinels, as `Running.attach` returns it.

    A task on the client's event loop keeps the state here in step with the actors. Only that loop changes it.

    Examples
    --------
    >>> from akkordeon_dask import Gate, Sentinel, data, deploy, nn, optim
    >>> network = Gate(nn.Scale(33.3, 78.6) >> nn.Linear(784, 10), optim.SGD(0.01))
    >>> with deploy(network) as running:
    ...     attached = running.attach(Sentinel.train(data.mnist_sample("train"), name="digits"))
    ...     running.wait(epochs=1)[-1].sentinel == attached.name, attached.state
    (True, 'resting')
    """

    worker = ""
    """The address of its worker; empty for a group, whose members have one each."""

    def __init__(
        self,
        sentinel: Sentinel,
        reservation: Reservation,
        *,
        changed: Callable[[], None],
        report: Callable[[PassReport], None],
    ) -> None:
        self.sentinel, self.reservation, self.name = sentinel, reservation, reservation.name
        self._changed, self._report = changed, report
        self.state: SentinelState = "running"
        self.error: AkkordeonError | None = None
        self.error_raised = False
        """A `wait` has raised its error."""
        self.reports = PassLog(_KEPT, _KEPT)
        self.until: int | None = None
        """Passes, of all incarnations, after which it rests because a `wait` asked for so many."""
        self.waits = 0
        """Calls of `wait` that wait for it now."""
        self.stopped = False
        """A callback has let it rest, and no `wait` has returned since."""
        self.validated = False
        """Each of its passes is validated before the next one begins."""
        self._task: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def label(self) -> str:
        """Its name in errors and logs."""

    @property
    @abstractmethod
    def members(self) -> tuple["Attached", ...]:
        """The sentinels at work: itself, or those of a group."""

    @property
    @abstractmethod
    def actors(self) -> tuple[ActorHandle[SentinelActor], ...]:
        """The handles of the members' actors."""

    @property
    @abstractmethod
    def progress(self) -> PassProgress | None:
        """Progress of its present pass; None between two passes."""

    @property
    def limit(self) -> int | None:
        """Passes after which it rests; None: it goes on."""
        return min((one for one in (self.sentinel.epochs, self.until) if one is not None), default=None)

    @property
    def ended(self) -> bool:
        """It does nothing more by itself: it rests, has failed or has left."""
        return self.error is not None or self.state in ("resting", "left")

    def error_to_raise(self, *, remedy: bool) -> AkkordeonError:
        """Return its error for a `wait` to raise, with the remedy: later calls do not raise it again."""
        assert self.error is not None
        self.error_raised = True
        if not remedy:
            return self.error
        error = type(self.error)(f"{self.error}. The others go on; running.detach({self.name!r}) removes this one")
        error.__cause__ = self.error
        return error

    @abstractmethod
    def watch(self) -> None:
        """Follow the actors, once. On the client's event loop, as all that follows."""

    async def _unwatch(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @abstractmethod
    async def count(self, epochs: int | None) -> None:
        """Let it make `epochs` more passes, at most as many as its spec has; None: as many as its spec has.

        It makes no fewer than another `wait` still waits for.
        """

    @property
    def _awaited(self) -> int:
        """Passes, in all, for which another `wait` waits."""
        return (self.limit or 0) if self.waits > 1 and not self.stopped else 0

    @abstractmethod
    async def pause(self) -> None:
        """Send no more batches; returns when those in flight are back."""

    @abstractmethod
    async def resume(self) -> None:
        """Resume it after a pause; nothing where it has failed."""

    @abstractmethod
    async def rest(self) -> None:
        """Let it rest when its open passes are complete."""

    @abstractmethod
    async def validate_passes(self) -> None:
        """Have each of its passes from now on validated before the next one begins."""

    @abstractmethod
    async def clear(self, finished: int) -> None:
        """So many passes are validated: the next one may begin."""

    async def abandon(self, worker: str) -> None:  # noqa: B027  # a sentinel has one worker, and is moved instead
        """Leave a worker for good, where it has others to work on."""

    @abstractmethod
    async def leave(self, *, reachable: bool = True) -> None:
        """End it and release what it has on the cluster; no error when it is gone already.

        `reachable`: the scheduler answers, and its workers end it at once.
        """
