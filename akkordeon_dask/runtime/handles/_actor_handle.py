"""The base of the handles of gates and sentinels: calls to the actor."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from distributed import Actor, Future

from akkordeon_dask.errors import ClosedError, DeadlineError, SchedulerLostError, WorkerLostError
from akkordeon_dask.runtime.cluster._actor_calls import call_actor
from akkordeon_dask.runtime.cluster._queries import check_scheduler

__all__ = ["ActorHandle"]

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")


class ActorHandle(ABC, Generic[A]):
    """An actor of class `A`, seen from a client."""

    name: str
    worker: str
    _kind: str
    """`gate` or `sentinel`."""
    _closed: str
    """For errors, about a handle that was released: the state and the remedy."""
    _actor: Actor | None

    @property
    def label(self) -> str:
        """For errors: the actor and its worker."""
        return f"{self._kind} {self.name!r} on {self.worker}"

    @property
    def actor(self) -> Actor:
        """Dask's handle of the actor. It counts as a use of the key on the scheduler, as the future does.

        Raises
        ------
        ClosedError
            when it was released.
        """
        if self._actor is None:
            raise ClosedError(f"{self.label} {self._closed}")
        return self._actor

    @property
    @abstractmethod
    def _known_future(self) -> Future[Any] | None:
        """The actor's future; None where the cluster has forgotten the key."""

    async def ask(self, method: Callable[Concatenate[A, P], Awaitable[T]], *args: P.args, **options: P.kwargs) -> T:
        """Call a method of the actor and return its answer; see `call_actor`."""
        return await self.poll(0.0, method, *args, **options)

    async def poll(
        self, seconds: float, method: Callable[Concatenate[A, P], Awaitable[T]], *args: P.args, **options: P.kwargs
    ) -> T:
        """Call a method that itself waits for up to `seconds`.

        Raises
        ------
        SchedulerLostError
            when the scheduler does not answer: no worker is blamed then.
        """

        def call() -> Awaitable[T]:
            answer: Awaitable[T] = getattr(self.actor, method.__name__)(*args, **options)
            return answer

        future = self._known_future
        try:
            return await call_actor(call, self.label, more=seconds, future=future)
        except (WorkerLostError, DeadlineError):
            if future is not None:
                await check_scheduler(future.client)
                if future.status == "cancelled":  # so are all futures of a client whose connection broke
                    raise SchedulerLostError("the connection to the scheduler was broken") from None
            raise
