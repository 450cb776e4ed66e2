"""What a sentinel does: a state machine without a thread, a clock or a network of its own."""

from collections.abc import Callable
from typing import Literal

from akkordeon_dask._numbers import check_int
from akkordeon_dask.actors.gate._behavior import Send
from akkordeon_dask.actors.sentinel._evaluation import evaluate, gate_failure, pin_lost_repeatedly
from akkordeon_dask.actors.sentinel._open_pass import BatchInFlight
from akkordeon_dask.actors.sentinel._passes import Passes
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.errors import AkkordeonError, DataError, SentinelError
from akkordeon_dask.messages import Address, Backward, Failed, Forward, Leave, Message, PassReport, Refused
from akkordeon_dask.network import Sentinel
from akkordeon_dask.tree import Array

__all__ = ["SentinelBehavior", "SentinelState"]

SentinelState = Literal["running", "paused", "resting", "failed", "left"]

_WINDOW = 32


class SentinelBehavior:
    """Credits, batches under way, and what has come of them. Driven by one thread.

    It asks for data through `wants`, and gets them by `offer` or `exhausted`; what it says to the
    gates goes out through `send`, finished passes through `report`,
    and what went wrong, as a word and a text, through `tell`.
    """

    def __init__(
        self,
        sentinel: Sentinel,
        *,
        name: str,
        address: Address,
        network: str,
        generation: int,
        gates: tuple[Address, ...],
        clock: Callable[[], float],
        send: Send,
        report: Callable[[PassReport], None],
        tell: Callable[[str, str], None] = lambda event, text: None,
        deadline: RetransmissionTimer,
        max_attempts: int = 5,
    ) -> None:
        self.sentinel, self.name, self.address = sentinel, name, address
        self.network, self.generation, self.gates = network, generation, gates
        self.clock, self.send, self.report, self.tell = clock, send, report, tell
        self.deadline, self.max_attempts = deadline, max_attempts
        self.state: SentinelState = "running"
        self.error: AkkordeonError | None = None
        self.outputs: dict[int, Array] = {}
        self.dropped = self.restarts = 0
        self._flights: dict[int, BatchInFlight] = {}
        self.passes = Passes(sentinel)

    @property
    def trains(self) -> bool:
        """It changes the gates."""
        return self.sentinel.mode == "train"

    @property
    def credits(self) -> int:
        """Batches that may be sent now."""
        return self.sentinel.concurrency - len(self._flights)

    @property
    def in_flight(self) -> int:
        """Batches under way."""
        return len(self._flights)

    @property
    def between_passes(self) -> bool:
        """Between two passes: the next one is due later."""
        return self.state == "running" and self.passes.between

    @property
    def floor(self) -> int:
        """All batches below this sequence are finished."""
        return next(iter(self._flights), self.passes.sequence)

    @property
    def drawing(self) -> tuple[int, int] | None:
        """The number of the pass that batches are drawn for and its epoch; a pass that restarts has a new number."""
        tally = self.passes.drawing
        return None if tally is None else (tally.number, tally.epoch)

    def can_draw(self) -> bool:
        """A batch may be drawn now. Begins a pass where one is due."""
        self._settle()
        if self.state != "running" or self.credits < 1:
            return False
        if self.passes.sequence - self.floor >= _WINDOW * self.sentinel.concurrency:
            return False
        if self.passes.drawing is None:
            return self.passes.begin(self.clock())
        return not any(flight.opening for flight in self._flights.values())

    def submit_batch(self, x: Array, target: Array | None) -> None:
        """Send a batch that was drawn after `wants` said so. The first of a pass with pins goes alone."""
        tally, sequence = self.passes.drew()
        if sequence is None:
            return
        flight = BatchInFlight(tally.number, sequence, x, target, opening=not self.trains and tally.drawn == 1)
        self._flights[flight.sequence] = flight
        self._dispatch(flight)

    def exhausted(self) -> None:
        """The data of this pass are at their end."""
        if (drawing := self.passes.drawing) is not None and drawing.drawn == 0:
            self.fail(DataError(f"sentinel {self.name!r}: {self.sentinel.provider!r} gave no batch: check the data"))
        elif drawing is not None:
            self.passes.stop_drawing()
            self._end()

    def _dispatch(self, flight: BatchInFlight) -> None:
        flight.attempt += 1
        flight.tries += 1
        flight.loss = None
        flight.sent = self.clock()
        wait = self.deadline.seconds(flight.tries)
        flight.expires = flight.sent + wait
        me = self.network, self.generation, self.name, self.address
        self.send(self.gates[0], Forward(flight.header(me, self.floor, self.sentinel.mode, wait), flight.x))

    def rewire(self, gates: tuple[Address, ...], generation: int) -> None:
        """Go on with other gates: what is under way is sent again, for it may have been in one that is gone."""
        self.gates, self.generation = gates, generation
        for flight in self._flights.values():
            self.passes.resend(flight)
            flight.tries = 0
            self._dispatch(flight)

    def receive(self, message: Message) -> None:
        """Work on one message. What is of no batch under way is dropped, but failures: they may follow a gradient."""
        if isinstance(message, Failed) and message.header.reply_to == self.address and self.error is None:
            self.fail(gate_failure(message))
            return
        flight = self._matching_batch(message)
        if flight is None:
            self.dropped += 1
            return
        try:
            self._on_message(flight, message)
        except AkkordeonError as error:
            self.fail(error)
        except BaseException as error:
            self.fail(SentinelError(f"sentinel {self.name!r} on {self.address.worker}: {error!r}"))

    def _matching_batch(self, message: Message) -> BatchInFlight | None:
        if isinstance(message, Leave) or message.header.reply_to != self.address:
            return None
        flight = self._flights.get(message.header.sequence)
        return flight if flight is not None and flight.attempt == message.header.attempt else None

    def _on_message(self, flight: BatchInFlight, message: Message) -> None:
        if isinstance(message, Forward):
            self._on_predictions(flight, message)
        elif isinstance(message, Backward):
            if flight.loss is None:
                self.dropped += 1
            else:
                self._complete(flight)
        elif isinstance(message, Refused):
            self._restart(message)

    def _on_predictions(self, flight: BatchInFlight, message: Forward) -> None:
        if flight.loss is not None:
            self.dropped += 1
            return
        y = message.x
        if self.sentinel.mode == "predict":
            self.outputs[flight.sequence], flight.loss = y, 0.0
            self._complete(flight)
            return
        updates, samples = message.trained or (0, 0)
        # A batch that trains becomes an update itself.
        flight.trained = (updates + self.trains, samples + self.trains * len(flight.x))
        dy = evaluate(self.sentinel, flight, y, message.header, self.tell)
        if self.trains and not flight.skipped:
            self.send(self.gates[-1], Backward(message.header, dy))
        else:
            self._complete(flight)

    def _complete(self, flight: BatchInFlight) -> None:
        if flight.attempt == 1:
            self.deadline.observe(self.clock() - flight.sent)
        self.passes.home(flight)
        self._release(flight)

    def _release(self, flight: BatchInFlight) -> None:
        """The credit returns: here and nowhere else while the sentinel works."""
        del self._flights[flight.sequence]
        self._end()

    def _end(self) -> None:
        for report in self.passes.end(self.name, self.clock()):
            self.report(report)

    def _restart(self, message: Refused) -> None:
        """A gate lost the pin: the pass begins anew under a new number, with what the pins are then."""
        self.restarts += 1
        if self.passes.abandon() > self.max_attempts:
            raise pin_lost_repeatedly(self.name, message.gate, self.max_attempts)
        self.tell("restarted", f"pass: gate {message.gate!r} has lost the version it reads")
        self._flights.clear()
        self.outputs.clear()

    def on_timer(self, now: float) -> float:
        """Send again what is overdue, give up what has had its last attempt; gives the seconds to the next look."""
        for flight in [flight for flight in self._flights.values() if flight.expires <= now]:
            if flight.tries < self.max_attempts:
                self.passes.resend(flight)
                self._dispatch(flight)
            else:
                self.tell("lost", f"batch {flight.sequence}, {len(flight.x)} samples, after {flight.attempt} attempts")
                self.passes.give_up(flight)
                self._release(flight)
        due = [flight.expires for flight in self._flights.values()]
        if self.state == "running" and self.passes.between and self.passes.rest_until > now:
            due.append(self.passes.rest_until)
        return max(0.0, min([now + 1.0, *due]) - now)

    def fail(self, error: AkkordeonError) -> None:
        """Stop with an error: all credits return, nothing more is sent, the gates drop what they hold for it."""
        self.error, self.state = error, "failed"  # who looks at the state finds the error
        self.tell("failed", str(error))
        self._abandon()

    def _abandon(self) -> None:
        self._flights.clear()
        self.passes.abandon()
        for gate in self.gates:
            self.send(gate, Leave(self.network, self.address))

    def _settle(self) -> None:
        """Rest once all passes are made."""
        if self.state in ("running", "paused") and self.passes.all_done:
            self.state = "resting"

    def pause(self) -> None:
        """Send nothing more; what is under way comes home. One whose passes are made rests again at its next look."""
        if self.state in ("running", "resting"):
            self.state = "paused"

    def resume(self) -> None:
        """Go on after a pause."""
        if self.state == "paused":
            self.state = "running"
        self._settle()

    def count(self, epochs: int | None) -> None:
        """Make `epochs` more passes from now on, and at most its own number; None: its own number. Then rest.

        With `epochs` one that is paused goes on, too.
        """
        self.passes.count(None if epochs is None else check_int("epochs", epochs, 1))
        self.rest_after(self.passes.until)
        if epochs is not None:
            self.resume()

    def rest_after(self, until: int | None) -> None:
        """Rest when so many passes are done in all, and at most its own number; None: its own number."""
        self.passes.rest_after(until)
        if self.state == "resting":
            self.state = "running"
        self._settle()

    def stop(self) -> None:
        """Stop for good: the gates drop what they hold for this sentinel."""
        self.state = "left"
        self._abandon()
