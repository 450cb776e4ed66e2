"""The batches of a sentinel that are in flight at a gate, and the versions that its passes have pinned."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from akkordeon_dask.actors.gate._state import Version
from akkordeon_dask.messages import Header

__all__ = ["InFlight", "SeenBatches", "StashedBatch"]

_LEASE = 4.0
"""A pin, or a batch's context, expires after so many deadlines of a batch without traffic."""
_HOLES = 4096
"""Batches without an update that are remembered of a sentinel."""
_IDLE = 600.0
"""Seconds of silence after which a sentinel is forgotten."""


class SeenBatches(NamedTuple):
    """The batches of a sentinel that a gate knows of."""

    end: int = 0
    """All had a lower sequence."""
    applied: frozenset[int] = frozenset()
    """Those from `first` on whose update is part of the gate's parameters."""
    first: int = 0
    """What was before is not known."""


@dataclass(slots=True)
class StashedBatch:
    """A batch that this gate has computed a forward pass of."""

    attempt: int
    version: Version | None
    """The version of its forward pass; None once the backward pass took it or it has expired."""
    context: Any
    expires: float
    applied: bool
    """Its update is part of the gate's parameters: no repetition is applied again."""
    due: float = 0.0
    """Its sentinel waits for it until then, by the deadline of the attempt."""

    def release(self) -> tuple[Version, Any]:
        """Return version and context, and hold them no longer."""
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
    """The batches of one sentinel that may still be asked for, and the versions that it has pinned.

    Bounded: batches below the sentinel's floor are dropped, and a sentinel never has a batch far above its floor.
    """

    floor: int = 0
    batches: dict[int, StashedBatch] = field(default_factory=dict)
    last_message: float = 0.0
    first: int | None = None
    """The floor of the first message that trained; what was before is not known."""
    holes: set[int] = field(default_factory=set)
    """Batches below the floor that this gate was not updated with: those that were lost, as a rule."""
    _pins: dict[int, _Pin] = field(default_factory=dict)
    _rated: dict[int, _Pin] = field(default_factory=dict)
    """That of the pass before the last one, until its lease lapses: no batch reads it, but callbacks may ask for it."""
    _opened: tuple[int, int] = (0, 0)
    """The newest pass that was opened here, and the attempt that opened it."""

    @classmethod
    def applied(cls, floor: int, sequences: tuple[int, ...], now: float) -> "InFlight":
        """The batches that are part of a migrated version. The sentinel resends all others."""
        batches = {sequence: StashedBatch(0, None, None, 0.0, applied=True) for sequence in sequences}
        return cls(floor, batches, now, floor)

    @property
    def applied_sequences(self) -> tuple[int, ...]:
        """The batches above the floor whose update is part of the gate's parameters."""
        return tuple(sequence for sequence, batch in self.batches.items() if batch.applied)

    def advance_floor(self, header: Header, now: float) -> None:
        """Note the floor of a message: all batches below it are finished."""
        self.last_message = now
        if header.floor > self.floor:
            self.finish(header.floor)
        if header.mode == "train" and self.first is None:
            self.first = self.floor

    def finish(self, floor: int) -> None:
        """All batches below this one are finished: whatever of them may still come is dropped."""
        if self.first is None:  # after a restart, the floor may be millions above the last one
            self.batches = {sequence: batch for sequence, batch in self.batches.items() if sequence >= floor}
        else:
            for sequence in range(self.floor, floor):
                batch = self.batches.pop(sequence, None)
                if not (batch is not None and batch.applied) and len(self.holes) < _HOLES:
                    self.holes.add(sequence)
        self.floor = max(floor, self.floor)

    def was_applied(self, sequence: int) -> bool:
        """The gate was updated with this batch, as far as this incarnation knows."""
        if sequence >= self.floor:
            return sequence in self.applied_sequences
        return self.first is not None and sequence >= self.first and sequence not in self.holes

    def seen(self, since: int) -> SeenBatches:
        """What this incarnation knows of the batches from `since` on."""
        end = max(self.floor, max(self.batches, default=-1) + 1)
        applied = frozenset(sequence for sequence in range(since, end) if self.was_applied(sequence))
        return SeenBatches(end, applied, end if self.first is None else self.first)

    def is_duplicate_opening(self, header: Header) -> bool:
        """The message repeats an opening batch that was here, or is an older attempt of it.

        It must go no further: it would set another pin in a later gate that was restarted during the pass.
        """
        return header.opening and (header.pass_number, header.attempt) <= self._opened

    def pin(self, header: Header, present: Version, now: float) -> Version | None:
        """The version that the header's pass reads; None where it is not known here and the batch does not open it.

        A late copy of an opening batch opens nothing: where the pin has expired, it would set another one.
        """
        pin = self._pins.get(header.pass_number)
        opening = header.pass_number, header.attempt
        if header.opening and opening > self._opened:
            self._opened = opening
            if pin is None:
                self._rated = dict(list(self._pins.items())[-1:])
                self._pins.clear()
                pin = self._pins[header.pass_number] = _Pin(present, 0.0)
        if pin is None:
            return None
        pin.expires = now + _LEASE * header.deadline
        return pin.version

    def rated(self, number: int) -> Version | None:
        """The version that this pass reads, or has read; None where it is not known (any more)."""
        pin = self._pins.get(number) or self._rated.get(number)
        return None if pin is None else pin.version

    def keep(self, batch: StashedBatch, header: Header, now: float) -> None:
        """Keep a batch for its backward pass, longer than its sentinel waits for that: it may be on its way."""
        batch.due, batch.expires = now + header.deadline, now + _LEASE * header.deadline
        self.batches[header.sequence] = batch

    def holds(self, sequence: int) -> bool:
        """The context of a batch is held."""
        batch = self.batches.get(sequence)
        return batch is not None and batch.version is not None

    def postpone(self, seconds: float) -> None:
        """Keep all that long after its time."""
        for batch in self.batches.values():
            batch.due += seconds
            batch.expires += seconds
        for pin in (*self._pins.values(), *self._rated.values()):
            pin.expires += seconds

    def give_up(self, now: float) -> None:
        """Release contexts that are overdue: their sentinel sends such a batch again, if it still sends at all."""
        for batch in self.batches.values():
            if batch.version is not None and batch.due < now:
                batch.release()

    def expire(self, now: float) -> None:
        """Release contexts that their sentinel has given up, and pins that no traffic renewed."""
        for batch in self.batches.values():
            if batch.version is not None and batch.expires < now:
                batch.release()
        for pins in (self._pins, self._rated):
            for number in [number for number, pin in pins.items() if pin.expires < now]:
                del pins[number]

    def idle(self, now: float) -> bool:
        """Nothing is held, and no message came for a long time."""
        return not self._pins and not self.contexts and now - self.last_message > _IDLE

    @property
    def contexts(self) -> int:
        """Batches whose context is held."""
        return sum(batch.version is not None for batch in self.batches.values())

    @property
    def versions(self) -> set[int]:
        """The updates in each of the versions that are held."""
        batches = {batch.version.updates for batch in self.batches.values() if batch.version is not None}
        return batches | {pin.version.updates for pin in (*self._pins.values(), *self._rated.values())}
