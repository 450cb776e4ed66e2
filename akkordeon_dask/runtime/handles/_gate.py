"""A gate, seen from a client."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from distributed import Actor, Future

from akkordeon_dask.actors import GateActor
from akkordeon_dask.errors import ClosedError
from akkordeon_dask.messages import Address
from akkordeon_dask.runtime.cluster._actor_calls import call_actor, release, wait_until_created

__all__ = ["ForgottenKey", "GateHandle", "Incarnation", "release_gates"]

P = ParamSpec("P")
T = TypeVar("T")


class ForgottenKey:
    """In place of a future whose key the cluster has forgotten."""

    def __init__(self, key: str) -> None:
        self.key = key

    def release(self) -> None:
        """Nothing holds it."""


Incarnation: TypeAlias = "Future[Any] | ForgottenKey"
"""The future of a gate's actor: a gate that is restarted or moved has another actor, and another future."""


class GateHandle:
    """A gate of a running network."""

    def __init__(self, name: str, worker: str, future: Incarnation) -> None:
        self.name, self.worker, self.future = name, worker, future
        self._actor: Actor | None = None
        self._released = False

    async def wait_until_created(self, limit: float) -> "GateHandle":
        """Wait for the actor, at most `limit` seconds; see the function of this name."""
        assert not isinstance(self.future, ForgottenKey)
        actor = await wait_until_created(self.future, GateActor, self.worker, self.label, limit)
        if self._released:
            release(actor)
        else:
            self._actor = actor
        return self

    @property
    def actor(self) -> Actor:
        """The handle of its actor. It counts as a use of the key on the scheduler, as the future does.

        Raises
        ------
        ClosedError
            when it was released.
        """
        if self._actor is None:
            raise ClosedError(f"{self.label} is closed: deploy it again")
        return self._actor

    async def ask(
        self, method: Callable[Concatenate[GateActor, P], Awaitable[T]], *args: P.args, **options: P.kwargs
    ) -> T:
        """Call a method of the actor and return its answer; see `call_actor`."""
        return await self.poll(0.0, method, *args, **options)

    async def poll(
        self,
        seconds: float,
        method: Callable[Concatenate[GateActor, P], Awaitable[T]],
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """Call a method that itself waits for up to `seconds`."""

        def call() -> Awaitable[T]:
            answer: Awaitable[T] = getattr(self.actor, method.__name__)(*args, **options)
            return answer

        future = None if isinstance(self.future, ForgottenKey) else self.future
        return await call_actor(call, self.label, more=seconds, future=future)

    def replace_actor(self, other: "GateHandle") -> None:
        """Stand for another incarnation of the gate from now on."""
        self.release()
        self.worker, self.future, self._actor, self._released = other.worker, other.future, other.actor, False

    def release(self) -> None:
        """Drop this client's use of the gate's key."""
        self._released = True
        release(self._actor)
        self._actor = None
        self.future.release()

    @property
    def address(self) -> Address:
        """Where its messages go."""
        return Address(self.worker, str(self.future.key))

    @property
    def label(self) -> str:
        """For errors: the gate and its worker."""
        return f"gate {self.name!r} on {self.worker}"


def release_gates(gates: Iterable[GateHandle]) -> None:
    """Drop this client's use of gates, which live on if other clients use them."""
    for gate in gates:
        gate.release()
