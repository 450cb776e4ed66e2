"""Forward passes wait that could make a gradient later than a gate allows."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from akkordeon_dask.actors.engine._behavior import Send
from akkordeon_dask.actors.gate._versions import Versions
from akkordeon_dask.actors.gate._waiting_batches import WaitingBatches
from akkordeon_dask.messages import Address, Forward, Header

__all__ = ["Pace", "PacedGate"]


class PacedGate(Protocol):
    """A gate that takes no batch too soon, as its pace sees it."""

    versions: Versions

    def computes_gradient_of(self, batch: tuple[str, int]) -> bool:
        """The gradient of this batch is being computed, whatever has become of its sentinel meanwhile."""

    def holds(self, batch: tuple[str, int]) -> bool:
        """The gate can still compute the gradient of this batch."""


class _Open(NamedTuple):
    attempt: int
    updates: int
    """In the version of its forward pass."""
    expires: float


class Pace:
    """Admits as many batches to a gate as keep each gradient within the bound on its delay. Turns of the gate call it.

    Any batch in flight may update the gate before the oldest one does. So another one is admitted only where the
    updates since the oldest one's forward pass, and those that all others may still make, are within the bound; until
    then it waits here, with its sentinel's credit. By construction no gradient is later, however many sentinels
    there are.

    Parameters
    ----------
    address
        of the gate.
    limit
        updates that a gradient may be late.
    accumulate
        batches of an update.
    """

    def __init__(
        self, gate: PacedGate, address: Address, limit: int, accumulate: int, *, send: Send, clock: Callable[[], float]
    ) -> None:
        self._gate, self._limit, self._accumulate = gate, limit, accumulate
        self._clock = clock
        self._open: dict[tuple[str, int], _Open] = {}
        """Admitted batches whose gradient is to come."""
        self._waiting = WaitingBatches(address, send)

    def admits(self, message: Forward) -> bool:
        """The batch may pass now; else it is sent here again when it may."""
        header = message.header
        self._remove(lambda home, sequence: home == header.batch[0] and sequence < header.floor)
        before = self._open.get(header.batch)
        if before is None and not self._has_room:
            self._waiting.put(message)
            return False
        if before is None or before.attempt < header.attempt:
            opened = _Open(header.attempt, self._gate.versions.present.updates, self._clock() + header.deadline)
            self._open[header.batch] = opened
        return True

    @property
    def _has_room(self) -> bool:
        now = self._gate.versions.present.updates
        oldest = min((one.updates for one in self._open.values()), default=now)
        # A snapshot of a run that accumulated more may hold more: the next gradient completes their update.
        accumulated = min(self._gate.versions.accumulated, self._accumulate - 1)
        to_come = (accumulated + len(self._open)) // self._accumulate
        return now - oldest + to_come <= self._limit

    def _remove(self, gone: Callable[[str, int], bool]) -> None:
        computes = self._gate.computes_gradient_of
        self._open = {batch: one for batch, one in self._open.items() if computes(batch) or not gone(*batch)}
        self._waiting.remove(gone)
        self._settle()

    def _settle(self) -> None:
        if self._has_room:
            self._waiting.release()

    def finished(self, header: Header) -> None:
        """The gate is updated with the gradient of a batch, or it has failed."""
        self._open.pop(header.batch, None)
        self._settle()

    def leave(self, actor: str) -> None:
        """A sentinel is gone, with its batches."""
        self._remove(lambda home, _: home == actor)

    def expects(self, header: Header) -> bool:
        """The gradient of a batch may update the gate: nobody has passed in its place."""
        return header.batch in self._open

    def postpone(self, seconds: float) -> None:
        """Wait that much longer for all."""
        self._open = {batch: one._replace(expires=one.expires + seconds) for batch, one in self._open.items()}

    def on_timer(self) -> None:
        """Wait no longer for batches that their sentinel has given up, if others wait, or the gate cannot use them."""
        now, gate, others = self._clock(), self._gate, len(self._waiting)
        self._open = {
            batch: one
            for batch, one in self._open.items()
            if gate.computes_gradient_of(batch) or one.expires >= now or (not others and gate.holds(batch))
        }
        self._settle()

    def clear(self) -> None:
        """No gradient of a batch in flight will come."""
        self._open = {}
        self._settle()
