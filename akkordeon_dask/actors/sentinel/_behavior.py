"""The behavior of a sentinel: a state machine without a thread, a clock or a network of its own."""

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from akkordeon_dask._exceptions import quote_exception
from akkordeon_dask._numbers import check_int
from akkordeon_dask.actors._lateness import Lateness
from akkordeon_dask.actors.engine._behavior import Send
from akkordeon_dask.actors.sentinel._batch_reader import BatchReader, NoBatch, provider_error
from akkordeon_dask.actors.sentinel._cut_hold import CutHold
from akkordeon_dask.actors.sentinel._evaluation import (
    evaluate,
    gate_failure,
    lost_batches,
    pin_lost_repeatedly,
    skipped_batches,
)
from akkordeon_dask.actors.sentinel._flushing import Flushing
from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight, InFlightBatches
from akkordeon_dask.actors.sentinel._passes import Passes
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.data import AssignedSource, Assignment, Batch
from akkordeon_dask.errors import AkkordeonError, DataError, RolledBackError, SentinelError
from akkordeon_dask.messages import (
    Address,
    Backward,
    Failed,
    Flush,
    Forward,
    Header,
    HeldSentinel,
    Leave,
    Message,
    PassProgress,
    PassReport,
    Refused,
    StepEnd,
    Waiting,
)
from akkordeon_dask.network import Sentinel
from akkordeon_dask.tree import Array

__all__ = ["BatchReady", "SentinelBehavior", "SentinelState"]

logger = logging.getLogger(__name__)

SentinelState = Literal["running", "paused", "resting", "failed", "left"]

_TICK = 1.0
"""Seconds between two timers, at most."""


class BatchReady:
    """A control message: a batch reader has drawn a batch."""


class SentinelBehavior:
    """A sentinel's credits, batches in flight and passes, and the effect of each message on them.

    One thread calls it. It draws batches once it has a `reader`, as many as its credits allow.

    Parameters
    ----------
    gates
        the addresses of the network's gates, front to back.
    send
        sends a message to a gate.
    report
        called with each finished pass.
    notify
        called with the name and the text of an event for the user.
    changed
        called when the state has changed, when the last batch in flight is completed, and when `tried` becomes True.
    check
        raises an error for a batch that does not fit the network; the first one is not sent then.
    max_lost
        the share of a training pass's batches that may be lost; None: all, without an error.
    """

    def __init__(
        self,
        sentinel: Sentinel,
        *,
        name: str,
        address: Address,
        network: str,
        generation: int,
        gates: tuple[Address, ...] = (),
        clock: Callable[[], float],
        send: Send,
        report: Callable[[PassReport], None],
        notify: Callable[[str, str], None] = lambda event, text: None,
        changed: Callable[[], None] = lambda: None,
        check: Callable[[Batch], None] = lambda batch: None,
        timer: RetransmissionTimer,
        max_attempts: int = 5,
        max_lost: float | None = None,
    ) -> None:
        self.sentinel = sentinel
        self.name = name
        self.address = address
        self.network = network
        self.generation = generation
        self.gates = gates
        self.timer = timer
        self.reader: BatchReader | None = None
        """Set once, by the thread that opens the sentinel, when turns may have begun."""
        self.passes = Passes(sentinel, max_lost)
        self.wants_timer = False
        self.state: SentinelState = "running"
        self.error: AkkordeonError | None = None
        self.tried = False
        """A first batch was drawn and fits, or none is to be drawn yet. Set once."""
        self.outputs: dict[int, Array] = {}
        self.dropped = 0
        """Messages that belonged to no batch in flight."""
        self.validated = False
        """Its epochs are validated: it begins none before those that it has ended are."""
        self.cleared = 0
        """Finished passes up to which it may begin another, where they are validated."""
        self.synchronous = False
        """All gates update once a step. A pass is over once the step with its last batches is, and the next begins."""
        self._flushing = Flushing(clock, timer)
        self.abandoned = 0
        """Samples of the passes that were open when it failed, finished or not: they are in no report."""
        self.restarts = 0
        """Passes that were restarted because a gate had lost its pin."""
        self._clock, self._send, self._report = clock, send, report
        self._notify, self._changed, self._check = notify, changed, check
        self._max_attempts = max_attempts
        self._batches = InFlightBatches(timer, max_attempts)
        self.waits_since: float | None = None
        """The time since which the provider's next batch is awaited; None: it is not."""
        self._hold = CutHold(clock)
        self._lateness = Lateness()
        self._checked_form: tuple[Any, ...] = ()
        self._assigned = False
        """It reads assignments, whose partitions may all be lost."""
        self._known: tuple[str, bool, bool, bool] = (self.state, True, False, True)

    @property
    def trains(self) -> bool:
        """It changes the gates."""
        return self.sentinel.mode == "train"

    @property
    def credits(self) -> int:
        """Batches that may be sent now."""
        return self.sentinel.concurrency - len(self._batches)

    @property
    def in_flight(self) -> int:
        """Batches in flight."""
        return len(self._batches)

    @property
    def quiet(self) -> bool:
        """No batch is in flight, and where updates are synchronous, none waits for the end of a step."""
        return not self._batches and self._step_is_over

    @property
    def _step_is_over(self) -> bool:
        """No finished batch waits for the end of a step, as none ever does where updates are not synchronous."""
        return self._flushing.done or not self.synchronous

    @property
    def between_passes(self) -> bool:
        """The next pass is due later."""
        return self.state == "running" and self.passes.between

    @property
    def floor(self) -> int:
        """All batches below this sequence are finished."""
        return self._batches.floor(self.passes.sequence)

    def progress(self, now: float) -> PassProgress | None:
        """The progress of the oldest open pass; None between two passes."""
        return self.passes.progress(self.reader.samples if self.reader is not None else None, now)

    # Messages and time

    def receive(self, message: Message | BatchReady) -> None:
        """Handle one message, then send what the credits allow."""
        if isinstance(message, Flush):
            self._guard(lambda: self._on_step_ended(message))
        elif not isinstance(message, BatchReady):
            self._guard(lambda: self._receive(message))
        self.wants_timer = False
        self._fill()
        if self.between_passes:  # the next pass is due later
            self.wants_timer = True

    def apply(self, computation: object) -> None:
        """There are no computations."""

    def on_timer(self, now: float) -> float:
        """Resend overdue batches, then send what the credits allow; returns the seconds until the next timer."""
        self._batches.postpone(self._lateness.at(now), now)
        self._guard(lambda: self._resend_overdue(now))
        if self.passes.stop_if_due(now):
            self._guard(self._report_ended)
        self._fill()
        self.wants_timer = False
        due = [self._batches.due(self.sentinel.concurrency), self._flushing.expires]
        if self.held:
            due.append(self._hold.until)
        if self.between_passes and self.passes.rest_until > now:
            due.append(self.passes.rest_until)
        wait = max(0.0, min([now + _TICK, *due]) - now)
        self._lateness.expect(now + wait)
        return wait

    def _guard(self, function: Callable[[], None]) -> None:
        """An error in `function` fails the sentinel, whose thread continues to report it."""
        try:
            function()
        except AkkordeonError as error:
            self.fail(error)
        except BaseException as error:  # a user's SystemExit is one
            logger.exception("sentinel %r", self.name)
            where = f"sentinel {self.name!r} on {self.address.worker}"
            self.fail(SentinelError(f"{where} broke: {quote_exception(error)}: see the log of its worker"))

    def _receive(self, message: Message) -> None:
        if isinstance(message, Leave | Flush | StepEnd) or message.header.reply_to != self.address:
            self.dropped += 1
            return
        # A failure counts whatever batch it is about: it may follow a gradient.
        if isinstance(message, Failed) and self.error is None:
            raise gate_failure(message)
        batch = self._batches.matching(message.header)
        if batch is None:
            self.dropped += 1
        elif isinstance(message, Forward):
            self._on_predictions(batch, message)
        elif isinstance(message, Refused):
            self._restart_pass(message)
        elif isinstance(message, Waiting):
            batch.tries = 0
        elif isinstance(message, Backward):
            if batch.loss is None:
                self.dropped += 1
            else:
                self._complete(batch)

    def _on_predictions(self, batch: BatchInFlight, message: Forward) -> None:
        if batch.loss is not None:
            self.dropped += 1
            return
        if self.sentinel.mode == "predict":
            self.outputs[batch.sequence], batch.loss = message.x, 0.0
            self._complete(batch)
            return
        batch.trained = message.trained or (0, 0)
        dy = evaluate(self.sentinel, batch, message.x, message.header, self._notify)
        if self.trains and not batch.skipped:
            weight = float(len(batch.x) if batch.weight is None else batch.weight)
            self._send(self.gates[-1], Backward(replace(message.header, weight=weight), dy))
        else:
            self._complete(batch)

    # Batches in flight

    def can_draw(self) -> bool:
        """A batch may be drawn now. Begins a pass where one is due."""
        if self.held:
            return False
        self._rest_if_done()
        concurrency = self.sentinel.concurrency
        if self.state != "running" or len(self._batches) >= concurrency:
            return False
        if self._batches.blocking(concurrency) is not None:
            self.wants_timer = True
            return False
        if self.passes.drawing is None:
            waits = self._waits_for_validation or (self.synchronous and self.trains and not self.passes.between)
            return not waits and self.passes.begin(self._clock())
        return self.trains or not any(batch.opening for batch in self._batches)

    @property
    def _waits_for_validation(self) -> bool:
        return self.validated and not (self.passes.between and self.passes.finished <= self.cleared)

    def clear(self, finished: int) -> None:
        """So many passes are validated, or need not be: the next one may begin."""
        self.cleared = max(self.cleared, finished)

    def submit_batch(self, x: Array, target: Array | None, weights: Array | None = None) -> None:
        """Send a drawn batch. The first one of a pass that reads pinned versions goes alone."""
        drawing, sequence = self.passes.draw(len(x), self._clock())
        if sequence is None:
            return
        opening = not self.trains and drawing.drawn == 1
        batch = BatchInFlight(drawing.number, sequence, x, target, opening, weights)
        self._batches.add(batch)
        self._dispatch(batch)

    def exhausted(self) -> None:
        """End the drawing of a pass whose data are exhausted."""
        if (drawing := self.passes.drawing) is not None and drawing.drawn == 0 and not self._assigned:
            self.fail(DataError(f"sentinel {self.name!r}: {self.sentinel.provider!r} gave no batch: check the data"))
        elif drawing is not None:
            self.passes.stop_drawing()
            self._report_ended()

    def _fill(self) -> None:
        self._guard(self._draw)
        if self.synchronous:
            self._flush()
        idle = not self._batches
        known = (self.state, idle, self.tried, idle and self._step_is_over)
        if known != self._known:
            self._known = known
            self._changed()

    def _draw(self) -> None:
        """Send what the credits allow, as far as the reader has it."""
        since, self.waits_since = self.waits_since, None
        reader = self.reader  # looked up once: it may come during this turn
        while reader is not None and self.can_draw():
            drawing = self.passes.drawing
            assert drawing is not None
            drawn = self._read(reader, drawing.number, drawing.epoch)
            if drawn is NoBatch.PENDING:
                self.waits_since = self._clock() if since is None else since
                return
            since = None
            if drawn is NoBatch.END:
                self.exhausted()
                continue
            self._check_form(drawn)
            self.tried = True
            self.submit_batch(*drawn)
        self.tried = self.tried or (reader is not None and self.error is None)

    def _read(self, reader: BatchReader, pass_number: int, epoch: int) -> Batch | NoBatch:
        try:
            return reader.draw(pass_number, epoch)
        except BaseException as error:
            raise provider_error(self.name, self.sentinel.provider, error) from error

    def _check_form(self, batch: Batch) -> None:
        """Check a batch that differs in form from the one before."""
        x, y, *rest = batch
        form = x.shape[1:], x.dtype, y is None, len(rest)
        if form != self._checked_form:
            self._check(batch)
            self._checked_form = form

    def _dispatch(self, batch: BatchInFlight) -> None:
        self._batches.begin_attempt(batch, self._clock())
        self._flushing.restart(done=not self.trains)
        self._send(self.gates[0], Forward(self._header(batch), batch.x))

    def _header(self, batch: BatchInFlight) -> Header:
        return Header(
            network=self.network,
            generation=self.generation,
            sentinel=self.name,
            reply_to=self.address,
            pass_number=batch.pass_number,
            sequence=batch.sequence,
            floor=self.floor,
            attempt=batch.attempt,
            mode=self.sentinel.mode,
            opening=batch.opening,
            deadline=batch.deadline,
            skips_nonfinite=self.sentinel.on_nonfinite == "skip",
        )

    def _resend_overdue(self, now: float) -> None:
        """Resend overdue batches; give up those that have had their last attempt."""
        batches, concurrency = self._batches, self.sentinel.concurrency
        if batches.hurried_at(concurrency) <= now and (blocking := batches.blocking(concurrency)) is not None:
            blocking.hurried = True
            blocking.tries -= 1
            self._resend(blocking)
        for batch in batches.overdue(now):
            if batches.may_retry(batch, now):
                self._resend(batch)
            else:
                self._give_up(batch)

    def _resend(self, batch: BatchInFlight) -> None:
        self.passes.resend(batch)
        self._dispatch(batch)

    def _give_up(self, batch: BatchInFlight) -> None:
        text = f"batch {batch.sequence}, {len(batch.x)} samples, after {batch.attempt} attempts"
        self._notify("lost", text)
        self.timer.back_off(batch.tries)
        self.passes.give_up(batch)
        self._release(batch, lost=True)

    def _complete(self, batch: BatchInFlight) -> None:
        if batch.attempt == 1:
            self.timer.observe(self._clock() - batch.sent)
        else:
            self.timer.back_off(batch.tries)
        self.passes.complete(batch)
        self._release(batch, lost=batch.skipped)

    def _release(self, batch: BatchInFlight, *, lost: bool) -> None:
        """The credit returns: here and nowhere else while the sentinel works."""
        self._batches.release(batch, lost=lost)
        self._report_ended()

    def _flush(self) -> None:
        """Ask for the end of the step where no batch follows before it, the first time or again."""
        sends = self.state == "running" and not (self.held or self.passes.drawn)
        if self._batches or sends:
            self._flushing.restart(done=self._flushing.done)
        elif self._flushing.asks():
            self._send(self.gates[0], Flush(self.network, self.generation, self.address, self.floor))

    def _on_step_ended(self, message: Flush) -> None:
        """All gates have updated with the batches up to here."""
        if message.sentinel != self.address or message.floor != self.floor or self._batches:
            self.dropped += 1
            return
        self._flushing.restart(done=True)
        self.passes.note_trained(message.trained or (0, 0))
        self._report_ended()

    def _report_ended(self) -> None:
        if self._step_is_over:
            for report in self.passes.report(self.name, self._clock()):
                self._report(report)
        failed, self.passes.failure = self.passes.failure, None
        if failed is not None:
            if failed.skipped and not failed.samples:
                raise skipped_batches(self.name, failed.number, failed.skipped, failed.lost_batches)
            raise lost_batches(self.name, failed.number, failed.lost_batches, failed.lost, failed.samples)

    def _restart_pass(self, message: Refused) -> None:
        """A gate has lost the pin: the pass restarts under a new number, with new pins."""
        self.restarts += 1
        if self.passes.abandon() > self._max_attempts:
            raise pin_lost_repeatedly(self.name, message.gate, self._max_attempts)
        self._notify("restarted", f"pass: gate {message.gate!r} has lost the version it reads")
        self._batches.clear()
        self.outputs.clear()

    # Control

    def rewire(self, gates: tuple[Address, ...], generation: int) -> None:
        """Continue with other gates: batches in flight are resent, for they may have been in a lost gate."""
        self.gates, self.generation = gates, generation
        self._batches.interrupted_until = 0.0
        self.resend_all()

    def resend_all(self) -> None:
        """Resend the batches in flight: the gates have dropped them, or some are gates of before."""
        self._flushing.restart(done=self._flushing.done)
        for batch in self._batches:
            batch.tries, batch.excused = 0, True
            self._resend(batch)

    def interrupt(self, gate: Address, seconds: float) -> None:
        """A gate is lost and will be restarted: no batch is given up before `rewire`, within so many seconds."""
        if gate in self.gates:
            self._batches.interrupted_until = self._clock() + seconds

    def pause(self) -> None:
        """Send no more batches; those in flight complete. A sentinel whose passes are done rests again later."""
        if self.state in ("running", "resting"):
            self.state = "paused"

    def resume(self) -> None:
        """Continue after a pause."""
        if self.state == "paused":
            self.state = "running"
        self._rest_if_done()

    @property
    def held(self) -> bool:
        """It draws no batch, because a consistent cut is being taken."""
        return self._hold.active

    def hold(self, cut: str, seconds: float) -> None:
        """Draw no more batches for a consistent cut, until it is released: after `seconds` it goes on by itself."""
        self._hold.begin(cut, seconds)

    def held_part(self, cut: str, data: str) -> HeldSentinel | None:
        """Its part of the cut that it is held for; None where it is not quiet, or it is not held (any more)."""
        if not self._hold.is_for(cut) or not self.quiet:
            return None
        position = self.passes.position(self._clock())
        assert position is not None
        saved = {"data": data, "position": position.as_dict()}
        return HeldSentinel(self.name, self.address.actor, self._batches.lost, saved)

    def release_from(self, cut: str, go_on: bool = True) -> float | None:
        """Draw batches again, if it should `go_on`; returns the seconds that it was held.

        None: it was not held for this cut until now.
        """
        return self._hold.end(cut, go_on)

    def read(self, source: AssignedSource, assignment: Assignment) -> None:
        """Make one more pass, over an assignment. No pass is open."""
        source.assign(assignment)
        self._assigned = True
        if assignment.concurrency != self.sentinel.concurrency:
            self.sentinel = replace(self.sentinel, concurrency=assignment.concurrency)
        self.passes.batches = math.ceil(assignment.rows / self.sentinel.batch_size)
        self.count(1)

    def count(self, epochs: int | None, least: int = 0) -> None:
        """Rest after `epochs` more passes, and at most its own number; None: after its own number.

        Not before `least` passes in all, which others wait for. With `epochs` a paused sentinel resumes, too.
        """
        self.passes.count(None if epochs is None else check_int("epochs", epochs, 1), least)
        self.rest_after(self.passes.until)
        if epochs is not None:
            self.resume()

    def rest_after(self, until: int | None) -> None:
        """Rest after this many passes in all, and at most its own number; None: after its own number."""
        self.passes.rest_after(until)
        if self.state == "resting":
            self.state = "running"
        self._rest_if_done()

    def _rest_if_done(self) -> None:
        if self.state in ("running", "paused") and self.passes.all_done:
            self.state = "resting"

    @property
    def samples_in_flight(self) -> int:
        """Samples of the batches that were sent and are not finished."""
        return self._batches.samples

    def fail(self, error: AkkordeonError) -> None:
        """Stop with an error: all credits return, and the gates drop everything held for this sentinel."""
        if self.error is None:
            self.abandoned = self.passes.open_samples + self.samples_in_flight
        self.error, self.state = error, "failed"  # in this order: a failed sentinel has an error
        if not isinstance(error, RolledBackError):  # its client restarts it, and tells of that
            self._notify("failed", str(error))
        self._abandon()

    def leave(self) -> None:
        """Stop for good: the gates drop everything held for this sentinel."""
        self.state = "left"
        self._abandon()

    def _abandon(self) -> None:
        self._batches.clear()
        self._flushing.restart(done=True)
        self.passes.abandon()
        for gate in self.gates:
            self._send(gate, Leave(self.network, self.address))

    def stop(self) -> None:
        """Leave, and release the data."""
        self.leave()
        if self.reader is not None:
            self.reader.close(timeout=1.0)
