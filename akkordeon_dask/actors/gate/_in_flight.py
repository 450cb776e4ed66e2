"""What a gate remembers of one sentinel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from akkordeon_dask.messages import Header

if TYPE_CHECKING:
    from akkordeon_dask.actors.gate._state import Version

__all__ = ["InFlight", "StashedBatch"]

_LEASE = 4.0
_IDLE = 600.0


@dataclass(slots=True)
class StashedBatch:
    """A batch whose forward pass was here."""

    attempt: int
    version: Version | None
    """What its forward pass read; None once its backward pass took it, or its time was over."""
    context: Any
    expires: float
    applied: bool
    """This gate has been updated with the batch: it will not be again, whatever is repeated."""

    def release(self) -> tuple[Version, Any]:
        """Hand out version and context; they are kept no longer."""
        assert self.version is not None
        taken = self.version, self.context
        self.version = self.context = None
        return taken


@dataclass(slots=True)
class _Pin:
    version: Version
    expires: float


@dataclass(slots=True)
class InFlight:
    """The batches of one sentinel that may still be asked for, and the versions it has pinned.

    Bounded: batches below the sentinel's floor are dropped, and a sentinel never has
    a batch far above its floor.
    """

    floor: int = 0
    batches: dict[int, StashedBatch] = field(default_factory=dict)
    heard: float = 0.0
    _pins: dict[int, _Pin] = field(default_factory=dict)
    _opened: tuple[int, int] = (0, 0)
    """The newest pass that was opened here, and by which attempt."""

    def advance_floor(self, header: Header, now: float) -> None:
        """Take notice of a message's floor: what is below is finished."""
        self.heard = now
        if header.floor > self.floor:
            self.floor = header.floor
            for sequence in [sequence for sequence in self.batches if sequence < self.floor]:
                del self.batches[sequence]

    def is_duplicate_opening(self, header: Header) -> bool:
        """The message is a copy of an opening batch that was here, or an older attempt of it.

        It goes no further: it would set another pin in a gate behind that was made anew while the pass is read.
        """
        return header.opening and (header.pass_number, header.attempt) <= self._opened

    def pin(self, header: Header, present: Version, now: float) -> Version | None:
        """The version that the header's pass reads; None when it is not known here and the batch does not open it.

        A copy of an opening batch that comes late opens nothing: were the pin gone, it would set another one.
        """
        pin = self._pins.get(header.pass_number)
        opening = header.pass_number, header.attempt
        if header.opening and opening > self._opened:
            self._opened = opening
            if pin is None:
                self._pins.clear()
                pin = self._pins[header.pass_number] = _Pin(present, 0.0)
        if pin is None:
            return None
        pin.expires = now + _LEASE * header.deadline
        return pin.version

    def expire(self, now: float) -> None:
        """Let go of contexts that their sentinel has given up, and of pins that no traffic renewed."""
        for held in self.batches.values():
            if held.version is not None and held.expires < now:
                held.release()
        for number in [number for number, pin in self._pins.items() if pin.expires < now]:
            del self._pins[number]

    def idle(self, now: float) -> bool:
        """Nothing is held and nothing was heard for a long time."""
        return not self._pins and not self.contexts and now - self.heard > _IDLE

    @property
    def contexts(self) -> int:
        """Batches whose context is held."""
        return sum(held.version is not None for held in self.batches.values())

    @property
    def versions(self) -> set[int]:
        """The numbers of the versions that are held."""
        batches = {held.version.number for held in self.batches.values() if held.version is not None}
        return batches | {pin.version.number for pin in self._pins.values()}
