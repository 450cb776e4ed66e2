"""A gate, seen from a client."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from distributed import Future

from akkordeon_dask.actors import GateActor
from akkordeon_dask.messages import Address
from akkordeon_dask.runtime.cluster._actor_calls import release, wait_until_created
from akkordeon_dask.runtime.handles._actor_handle import ActorHandle

__all__ = ["ForgottenKey", "GateHandle", "Incarnation", "release_gates"]


class ForgottenKey:
    """In place of a future whose key the cluster has forgotten."""

    def __init__(self, key: str) -> None:
        self.key = key

    def release(self) -> None:
        """Nothing holds it."""


Incarnation: TypeAlias = "Future[Any] | ForgottenKey"
"""The future of a gate's actor: a gate that is restarted or moved has another actor, and another future."""


class GateHandle(ActorHandle[GateActor]):
    """A gate of a running network."""

    _kind, _closed = "gate", "is closed: deploy it again"

    def __init__(self, name: str, worker: str, future: Incarnation) -> None:
        self.name, self.worker, self.future = name, worker, future
        self._actor = None
        self._released = False

    async def wait_until_created(self, limit: float, *, insist: bool = True) -> "GateHandle":
        """Wait for the actor, at most `limit` seconds; see the function of this name."""
        assert not isinstance(self.future, ForgottenKey)
        actor = await wait_until_created(self.future, GateActor, self.worker, self.label, limit, insist=insist)
        if self._released:
            release(actor)
        else:
            self._actor = actor
        return self

    def replace_actor(self, other: "GateHandle") -> None:
        """Stand for another incarnation of the gate from now on."""
        self.release()
        self.worker, self.future, self._actor, self._released = other.worker, other.future, other.actor, False

    def forget(self) -> None:
        """Stand for an incarnation that the scheduler has forgotten."""
        key = str(self.future.key)
        self.release()
        self.future = ForgottenKey(key)

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
    def _known_future(self) -> Future[Any] | None:
        return None if isinstance(self.future, ForgottenKey) else self.future


def release_gates(gates: Iterable[GateHandle]) -> None:
    """Drop this client's use of gates, which live on if other clients use them."""
    for gate in gates:
        gate.release()
