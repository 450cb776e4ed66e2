"""The base of the handles of gates and sentinels: calls to the actor."""

import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from distributed import Actor, Future

from akkordeon_dask.actors import is_large
from akkordeon_dask.errors import ClosedError, DeadlineError, WorkerLostError
from akkordeon_dask.runtime.cluster._actor_calls import call_actor, check_connection, unless_lost
from akkordeon_dask.runtime.cluster._worker_calls import call_on_worker

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
        return await self._call(seconds, math.inf, method, *args, **options)

    async def watch_actor(
        self,
        seconds: float,
        silence: float,
        method: Callable[Concatenate[A, P], Awaitable[T]],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """The same, with a DeadlineError as soon as its worker has not answered anybody for `silence` seconds."""
        return await self._call(seconds, silence, method, *args, **options)

    async def _call(
        self,
        seconds: float,
        silence: float,
        method: Callable[Concatenate[A, P], Awaitable[T]],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        actor, future, label = self.actor, self._known_future, self.label

        async def call() -> T:
            if is_large(method):
                answer: T = await unless_lost(lambda: getattr(actor, method.__name__)(*args, **options), label, future)
                return answer
            return await call_on_worker(
                actor.client, self.worker, str(actor.key), method, args, options, future=future, silence=silence
            )

        try:
            return await call_actor(call, label, more=seconds)
        except (WorkerLostError, DeadlineError):
            if future is not None:
                await check_connection(future)
            raise
