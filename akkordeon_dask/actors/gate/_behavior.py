"""What a gate does with its messages: a state machine without a thread, a clock or a network of its own."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext

from akkordeon_dask.actors.engine._effort import CostEstimate
from akkordeon_dask.actors.engine._helpers import helpers
from akkordeon_dask.actors.gate._computations import (
    BackwardPass,
    Computation,
    Evaluation,
    ForwardPass,
    format_exception,
)
from akkordeon_dask.actors.gate._in_flight import InFlight, StashedBatch
from akkordeon_dask.actors.gate._migration import Handover, applied_sequences, restore_from
from akkordeon_dask.actors.gate._state import GateCounts, Version, aligned_version
from akkordeon_dask.messages import Address, Backward, Failed, Forward, Header, Leave, Message, Refused, array_nbytes
from akkordeon_dask.network import Gate
from akkordeon_dask.nn import Key
from akkordeon_dask.tree import Array, Tree, map_leaves

__all__ = ["GateBehavior", "GateCounts", "Version"]

Send = Callable[[Address, Message], None]
Assist = Callable[[Computation], bool]
"""Has a helper do the work, put it into the gate's mailbox and then `deliver` it; False when none is free."""

_TICK, _TOMBSTONE = 1.0, 600.0
_BATCH = Forward, Backward


class GateBehavior:
    """A gate's state and what each message does to it.

    Driven by one thread: `handle` for every message, `tick` now and then. What it says goes out
    through `send`. `version` may be read by any thread: it is replaced, never changed.
    """

    def __init__(
        self,
        gate: Gate,
        *,
        name: str,
        network: str,
        generation: int,
        seed: int,
        worker: str,
        clock: Callable[[], float],
        send: Send,
        assist: Assist = lambda work: False,
        keep: Callable[[Version, float], None] = lambda version, now: None,
    ) -> None:
        self.gate, self.name, self.network, self.generation = gate, name, network, generation
        self.worker, self.clock, self.send, self.assist, self.keep = worker, clock, send, assist, keep
        self.migrating, self._outstanding = False, 0
        self.chain = gate.chain
        self.counts = GateCounts()
        self.previous: Address | None = None
        self.next: Address | None = None
        self._key = Key((seed,)).fold(name)
        self._in_flight: defaultdict[str, InFlight] = defaultdict(InFlight)
        self._efforts: defaultdict[type[Computation], CostEstimate] = defaultdict(CostEstimate)
        self._tombstones: dict[str, float] = {}
        params = gate.init(Key((seed,)).fold(name, "init"))
        self.version = Version(0, params, gate.optimizer.init(params))

    def wire(self, previous: Address | None, next_: Address | None) -> None:
        """Say who the neighbours are; None: the sentinel of each batch."""
        self.previous, self.next = previous, next_

    def hand_over(self) -> Handover | None:
        """Begin nothing more; gives what the gate's next life goes on with, None while helpers are at a batch."""
        self.migrating = True
        return None if self._outstanding else Handover(self.version, applied_sequences(self._in_flight))

    def take_over(self, handover: Handover) -> None:
        """Go on where another life of the gate has ended."""
        self.version, self._in_flight = restore_from(handover, self.clock())

    def replace(self, params: Tree) -> None:
        """Go on with other parameters of the same form, and a new optimizer state."""
        now = self.version
        self.version = aligned_version(Version(now.number + 1, params, self.gate.optimizer.init(params), now.samples))

    def receive(self, message: Message | Computation) -> None:
        """Work on one message; a failure is told to the sentinel of the batch."""
        if isinstance(message, _BATCH):
            if reason := self._rejection(message.header):
                self.counts.drop(reason)
            else:
                self._on_batch(message)
        elif isinstance(message, Computation):
            self._outstanding -= 1
            self.apply_result(message)
        elif isinstance(message, Leave):
            self.drop_sentinel(message.sentinel.actor)
        else:
            self.counts.drop("no business of a gate")

    def _rejection(self, header: Header) -> str | None:
        if self.migrating:
            return "gate moved away"
        if header.network != self.network or header.generation != self.generation:
            return "other generation"
        if header.reply_to.actor in self._tombstones:
            return "sentinel gone"
        return None

    def _on_batch(self, message: Forward | Backward) -> None:
        header = message.header
        ledger = self._in_flight[header.reply_to.actor]
        ledger.advance_floor(header, self.clock())
        self.counts.nbytes_in += array_nbytes(message)
        if header.sequence < ledger.floor:
            self.counts.drop("finished batch")
        elif isinstance(message, Backward):
            self._backward(ledger, header, message.dy)
        elif header.mode == "train":
            self._forward(ledger, header, message.x)
        else:
            self._evaluate(ledger, header, message.x)

    def _forward(self, ledger: InFlight, header: Header, x: Array) -> None:
        before = ledger.batches.get(header.sequence)
        if before is not None and header.attempt <= before.attempt:
            self.counts.drop("repeated forward")
            return
        applied = before is not None and before.applied
        held = StashedBatch(header.attempt, self.version, None, self.clock() + header.deadline, applied)
        ledger.batches[header.sequence] = held
        key = self._key.fold(header.sentinel, header.pass_number, header.sequence)
        self._compute(ForwardPass(self.chain, header, self.version, x=x, held=held, key=key))

    def _evaluate(self, ledger: InFlight, header: Header, x: Array) -> None:
        if ledger.is_duplicate_opening(header):
            self.counts.drop("repeated opening")
        elif (pin := ledger.pin(header, self.version, self.clock())) is not None:
            self._compute(Evaluation(self.chain, header, pin, x=x))
        else:
            self.counts.drop("pin unknown")
            self.send(header.reply_to, Refused(header, self.name))

    def _backward(self, ledger: InFlight, header: Header, dy: Array | None) -> None:
        held = ledger.batches.get(header.sequence)
        if held is None or dy is None or held.context is None or held.attempt != header.attempt:
            self.counts.drop("backward without its forward")
            return
        stale, context = held.release()
        if self.gate.backward == "latest":
            context, stale = self.chain.rebind(context, self.version.params), self.version
        applies, held.applied = not held.applied, True
        first = self.previous is None
        self._compute(
            BackwardPass(self.chain, header, stale, context=context, dy=dy, need_dx=not first, applies=applies)
        )

    def _compute(self, work: Computation) -> None:
        """Have the numbers done by a helper that is free, or do them here: settled before it is sent on, or after."""
        work.light = self._efforts[type(work)].is_cheap
        if self.assist(work):
            self._outstanding += 1
            return
        with nullcontext() if work.light else helpers.computing():
            work.compute()
        if isinstance(work, BackwardPass):
            self.send_result(work)
            self.apply_result(work)
        else:
            self.apply_result(work)
            self.send_result(work)

    def send_result(self, work: Computation) -> None:
        """Send on what was computed. Any thread: a helper does it once the work is in the gate's mailbox again."""
        if work.error is None:
            neighbour = self.previous if isinstance(work, BackwardPass) else self.next
            self.send(neighbour or work.header.reply_to, work.result(last=self.next is None))

    def apply_result(self, work: Computation) -> None:
        """Take what came of the numbers into the gate's state."""
        if work.error is not None:
            self._report_failure(work.header, work.error)
            return
        self._efforts[type(work)].update(work.seconds)
        work.count(self.counts)
        if isinstance(work, BackwardPass):
            self._apply(work)
        elif isinstance(work, ForwardPass) and work.held is not None and work.held.version is not None:
            work.held.context = work.context

    def _apply(self, work: BackwardPass) -> None:
        if not work.applies:
            self.counts.drop("second update of a batch")
            return
        try:
            self._update(work.grads, work.version, work.samples)
        except BaseException as error:
            self._report_failure(work.header, error)

    def _update(self, grads: Tree, stale: Version, samples: int) -> None:
        now = self.version
        delay = now.number - stale.number
        self.counts.delays[delay] = self.counts.delays.get(delay, 0) + 1
        limit = self.gate.max_delay
        if limit is not None and delay > limit:
            if self.gate.on_stale == "drop" or limit == 0:
                self.counts.drop("stale gradient")
                return
            damping = limit / delay
            grads = map_leaves(lambda g: g * g.dtype.type(damping), grads, statistics=False)
        params, state = self.gate.optimizer.update(grads, now.state, now.params, stale_params=stale.params)
        if self.chain.observes:
            params = self.chain.advance(params, grads)
        self.version = Version(now.number + 1, params, state, now.samples + samples)
        self.counts.updates += 1
        self.keep(self.version, self.clock())

    def _report_failure(self, header: Header, error: BaseException) -> None:
        self.counts.failed += 1
        self.send(header.reply_to, Failed(header, self.name, self.worker, format_exception(error)))

    def drop_sentinel(self, actor: str) -> None:
        """Drop what is held for a sentinel, and from now on what arrives from it."""
        self._in_flight.pop(actor, None)
        self._tombstones[actor] = self.clock()

    def on_timer(self, now: float) -> float:
        """Let go of contexts, pins and tombstones whose time is over."""
        for actor, ledger in list(self._in_flight.items()):
            ledger.expire(now)
            if ledger.idle(now):
                del self._in_flight[actor]
        for actor, since in list(self._tombstones.items()):
            if now - since > _TOMBSTONE:
                del self._tombstones[actor]
        self.keep(self.version, now)
        return _TICK

    def drop_contexts(self) -> None:
        """Forget the forward passes that were done: their batches are sent again when their time is over."""
        for ledger in self._in_flight.values():
            ledger.expire(float("inf"))

    def stop(self) -> None:
        """Let go of everything that is held for sentinels."""
        self._in_flight.clear()

    @property
    def contexts(self) -> int:
        """Batches whose forward pass is kept for their backward pass."""
        return sum(ledger.contexts for ledger in self._in_flight.values())

    @property
    def versions(self) -> int:
        """Different versions that are held: the present one, those of batches under way, and pins."""
        return len({self.version.number}.union(*(ledger.versions for ledger in self._in_flight.values())))
