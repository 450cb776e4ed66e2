"""Synchronous updates: which batches make up a step, when it ends, and how all gates come to know."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from akkordeon_dask.actors.engine._behavior import Send
from akkordeon_dask.actors.gate._state import OpenStep
from akkordeon_dask.actors.gate._versions import Versions
from akkordeon_dask.actors.gate._waiting_batches import WaitingBatches
from akkordeon_dask.messages import Address, Flush, Forward, Header, StepEnd

__all__ = ["SteppedGate", "Steps"]

_PATIENCE = 30.0
"""Seconds without a word of a sentinel, or beyond the deadline of its batch, after which nobody waits for it."""


class SteppedGate(Protocol):
    """A gate that updates once a step, as its steps see it."""

    network: str
    generation: int
    previous: Address | None
    next: Address | None
    entry: Address | None
    """The first gate; None: this gate has not been told yet."""
    versions: Versions

    @property
    def computes_gradients(self) -> bool:
        """Gradients that were sent on are not accumulated yet."""

    def computes_gradient_of(self, batch: tuple[str, int]) -> bool:
        """The gradient of this batch is being computed, whatever has become of its sentinel meanwhile."""

    def end_step(self) -> None:
        """Update with what is accumulated, if anything is."""


class Steps:
    """The synchronous steps of a network, as one gate takes part in them. Turns of the gate call it.

    The first gate admits the batches of a step, at most `size`; others wait here. A gradient reaches it last, so once
    it has those of all batches it has admitted, every gate has. It then updates, and tells the others to, one after the
    other; the last one answers, and the next step begins. So all batches of a step meet the same version of each gate.

    A step ends with fewer batches when somebody waits for its end (`Flush`) and no training sentinel sends any more:
    each has asked for the end too, has left, or has not been heard for half a minute. Batches that were given up, or
    not heard of for half a minute after their deadline, are no part of it any more.

    Parameters
    ----------
    address
        of the gate.
    size
        batches of a step.
    """

    def __init__(
        self, gate: SteppedGate, address: Address, size: int, *, send: Send, clock: Callable[[], float]
    ) -> None:
        self._gate, self._address, self._size = gate, address, size
        self._send, self._clock = send, clock
        self._ending = False
        """At the first gate: the others were told to update, and the last one has not answered."""
        self._number = 0
        """Steps that have ended."""
        self._trained: tuple[int, int] | None = None
        """Updates and samples of the last gate's version."""
        self._open: dict[tuple[str, int], float] = {}
        """Admitted batches whose gradient is to come, and the time until which they are waited for."""
        self._waiting = WaitingBatches(address, send)
        """Batches of later steps."""
        self._last_messages: dict[str, float] = {}
        """The training sentinels, and when each was heard last."""
        self._idle: set[str] = set()
        """Those that send no batches before the step has ended."""
        self._flushes: dict[str, Flush] = {}
        """Those of them that wait for an answer."""
        self._ended: tuple[Address, int] | None = None
        """At other gates: the last end of a step."""
        self._postponed: StepEnd | None = None
        """At other gates: an end that waits for gradients that are being computed."""

    def export_step(self) -> OpenStep:
        """The present step, for the next incarnation of the gate."""
        now = self._clock()
        waiting = tuple((batch, until - now) for batch, until in self._open.items())
        sending = tuple(self._last_messages.keys() - self._idle)
        return OpenStep(self._number, self._trained, self._ending, waiting, sending, self._ended)

    def import_step(self, step: OpenStep) -> None:
        """Continue with the step of a former incarnation; sentinels send again what is in flight or not answered."""
        now = self._clock()
        self._number, self._trained, self._ending, self._ended = step.number, step.trained, step.ending, step.ended
        self._open = {batch: now + seconds for batch, seconds in step.batches}
        self._last_messages = dict.fromkeys(step.sentinels, now)

    # The first gate

    def admits(self, message: Forward) -> bool:
        """The batch may pass now, as part of the present step; else it is sent here again when it may."""
        if self._gate.previous is not None:
            return True
        header, batch = message.header, message.header.batch
        self._idle.discard(batch[0])
        self._flushes.pop(batch[0], None)
        self._note(batch[0], header.floor)
        self._settle()
        if batch not in self._open and (self._ending or self._full):
            self._waiting.put(message)
            return False
        self._open[batch] = self._clock() + header.deadline + _PATIENCE
        return True

    @property
    def _full(self) -> bool:
        return len(self._open) + self._gate.versions.accumulated >= self._size

    def _note(self, actor: str, floor: int) -> None:
        """A sentinel was heard, whose batches below the floor are finished or given up."""
        self._last_messages[actor] = self._clock()
        self._remove(lambda home, sequence: home == actor and sequence < floor)

    def _remove(self, gone: Callable[[str, int], bool]) -> None:
        computes = self._gate.computes_gradient_of
        self._open = {batch: until for batch, until in self._open.items() if computes(batch) or not gone(*batch)}
        self._waiting.remove(gone)

    def leave(self, actor: str) -> None:
        """A sentinel is gone: the step goes on without its batches that are in flight."""
        self._last_messages.pop(actor, None)
        self._idle.discard(actor)
        self._flushes.pop(actor, None)
        self._remove(lambda home, _: home == actor)
        self._settle()

    def _settle(self) -> None:
        """End the step where its time has come; tell those who wait that it has ended."""
        if self._gate.previous is not None or self._ending:
            return
        if not self._full:
            self._waiting.release()
        if self._open:
            return
        if self._gate.versions.accumulated >= self._size or self._nobody_sends():
            self._ending = True
            self._number += 1
            self._gate.end_step()
            self._trained = self._gate.versions.trained
            self._announce_end()
        elif not self._gate.versions.accumulated:
            self._answer()

    def _nobody_sends(self) -> bool:
        """The step has begun or is waited for, and no batch will come before it ends."""
        if self._last_messages.keys() <= self._idle:
            return bool(self._flushes or self._gate.versions.accumulated)
        last = max(at for actor, at in self._last_messages.items() if actor not in self._idle)
        return bool(self._flushes) and last + _PATIENCE < self._clock()

    def _announce_end(self) -> None:
        """Have the next gate update, the first time or again."""
        gate = self._gate
        if gate.next is None:
            self._begin()
        else:
            self._send(gate.next, StepEnd(gate.network, gate.generation, self._address, self._number))

    def _begin(self) -> None:
        """All gates have updated: the next step begins, with the batches that wait."""
        self._ending = False
        self._answer()
        self._waiting.release()

    def _answer(self) -> None:
        flushes, self._flushes = self._flushes, {}
        for flush in flushes.values():
            self._send(flush.sentinel, replace(flush, trained=self._trained))

    # Any gate

    def receive(self, message: Flush | StepEnd) -> None:
        """Handle a message about steps."""
        if isinstance(message, Flush):
            actor = message.sentinel.actor
            self._note(actor, message.floor)
            self._idle.add(actor)
            self._flushes[actor] = message
            self._settle()
        elif self._gate.previous is not None:
            self._pass_on(message)
        elif self._ending and (message.entry, message.number) == (self._address, self._number):
            self._trained = message.trained
            self._begin()
            self._settle()

    def _pass_on(self, message: StepEnd) -> None:
        """Update, unless this end was here before, and tell the next gate, or the first one.

        An end that a former incarnation of the first gate has told is late: its successor tells again. So does the
        present one, until it has the answer, a gate that does not know it yet.
        """
        gate, step, last = self._gate, (message.entry, message.number), self._ended
        if message.entry != gate.entry:
            return
        if step != last:
            if last is not None and last[0] == message.entry and last[1] > message.number:
                return
            if gate.computes_gradients:
                self._postponed = message
                return
            gate.end_step()
            self._ended = step
        self._send(gate.next or message.entry, replace(message, trained=gate.versions.trained))

    def finished(self, header: Header) -> None:
        """The gradient of a batch is accumulated, or has failed."""
        self._open.pop(header.batch, None)
        if self._gate.previous is None:
            self._settle()
        elif self._postponed is not None and not self._gate.computes_gradients:
            message, self._postponed = self._postponed, None
            self._pass_on(message)

    def expects(self, header: Header) -> bool:
        """The gradient of a batch may update the gate: the step has not ended without it."""
        return self._gate.previous is not None or header.batch in self._open

    def postpone(self, seconds: float) -> None:
        """Wait that much longer for all; for a sentinel that was heard meanwhile, as from now."""
        now = self._clock()
        self._open = {batch: until + seconds for batch, until in self._open.items()}
        self._last_messages = {actor: min(now, at + seconds) for actor, at in self._last_messages.items()}

    def on_timer(self) -> None:
        """Tell the next gate again, and wait no longer for batches that nobody has heard of."""
        now, computes = self._clock(), self._gate.computes_gradient_of
        self._open = {batch: until for batch, until in self._open.items() if computes(batch) or until >= now}
        if self._ending:
            self._announce_end()
        self._settle()
