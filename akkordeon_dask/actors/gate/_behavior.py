"""The behavior of a gate: a state machine without a thread, a clock or a network of its own."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping

from akkordeon_dask._exceptions import format_exception
from akkordeon_dask.actors.engine._behavior import HOLD, Hold, Send
from akkordeon_dask.actors.gate._computations import (
    BackwardPass,
    Computation,
    Evaluation,
    ForwardPass,
)
from akkordeon_dask.actors.gate._state import (
    GateCounts,
    GateCut,
    GateState,
    InFlight,
    StashedBatch,
    Version,
    aligned_version,
)
from akkordeon_dask.errors import CheckpointError
from akkordeon_dask.messages import (
    Address,
    Backward,
    Failed,
    Forward,
    Header,
    HeldSentinel,
    Leave,
    Message,
    Refused,
    array_nbytes,
)
from akkordeon_dask.network import Gate
from akkordeon_dask.nn import Key
from akkordeon_dask.tree import Array, Tree, map_leaves

__all__ = ["GateBehavior"]

_TICK = 1.0
_TOMBSTONE = 600.0
"""Seconds for which a closed sentinel is remembered."""
_BATCH = Forward, Backward  # a union would be made at each use


class GateBehavior:
    """A gate's state, and the effect of each message on it.

    One thread at a time calls it. `version` may be read by any thread: it is replaced, never changed.

    Parameters
    ----------
    send
        sends a message to another actor.
    keep
        called with the version after each update and at each tick, where a snapshot may be due; None: there are none.
    """

    wants_timer = False

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
        keep: Callable[[Version, float], None] | None = None,
    ) -> None:
        self.gate = gate
        self.name = name
        self.network = network
        self.generation = generation
        self.worker = worker
        self.chain = gate.chain
        self.counts = GateCounts()
        self.migrating = False
        """Its state was exported: it handles no more batches, unless it resumes."""
        self.previous: Address | None = None
        self.next: Address | None = None
        self._clock = clock
        self._send = send
        self._keep = keep
        self._key = Key((seed,)).fold(name)
        self._in_flight: defaultdict[str, InFlight] = defaultdict(InFlight)
        self._updating: set[tuple[str, int]] = set()
        """Batches whose gradient has left, or may have, before the update by it."""
        self._tombstones: dict[str, float] = {}
        params = gate.init(Key((seed,)).fold(name, "init"))
        self.version = Version(0, params, gate.optimizer.init(params))

    def wire(self, previous: Address | None, next_: Address | None) -> None:
        """Set the neighbours; None stands for the sentinel of each batch."""
        self.previous, self.next = previous, next_

    def export_state(self) -> GateState:
        """Start no more computations; returns the state for the next incarnation. No computation is under way."""
        self.migrating = True
        return GateState(
            self.version, {key: (own.floor, own.applied_sequences) for key, own in self._in_flight.items()}
        )

    def take_cut(self, name: str, held: Mapping[str, HeldSentinel]) -> GateCut:
        """Hand out the present version as a part of a consistent cut. No computation is under way.

        Copies of lost batches may still come, and update later versions: a later cut says so.

        Raises
        ------
        CheckpointError
            when batches of another training sentinel are in flight, or the gate moves.
        """
        if self.migrating:
            raise CheckpointError(f"gate {self.name!r} moves to another worker")
        others = [own for actor, own in self._in_flight.items() if actor not in held]
        if number := sum(own.contexts for own in others):
            raise CheckpointError(f"gate {self.name!r} holds {number} batches of a sentinel that was not asked to wait")
        own = {actor: self._in_flight.get(actor, InFlight()) for actor in held}
        applied = {
            actor: tuple(sequence for sequence in sentinel.lost if own[actor].was_applied(sequence))
            for actor, sentinel in held.items()
        }
        return GateCut(name, self.version, applied)

    def import_state(self, state: GateState) -> None:
        """Continue where another incarnation has stopped."""
        now = self._clock()
        self.version = aligned_version(state.version)
        in_flight = {key: InFlight.applied(*applied, now) for key, applied in state.applied.items()}
        self._in_flight = defaultdict(InFlight, in_flight)

    def resume(self) -> None:
        """Handle batches again: the migration was cancelled."""
        self.migrating = False

    def replace(self, params: Tree) -> None:
        """Continue with other parameters of the same form, and a new optimizer state."""
        now = self.version
        self.version = aligned_version(Version(now.number + 1, params, self.gate.optimizer.init(params), now.samples))

    def rewind(self, version: Version, factor: float) -> None:
        """Go back to a former version, with learning rates times `factor`; the batches in flight are resent."""
        # As slow as all rewinds have made it, whatever the rate was when the snapshot was written.
        state = dataclasses.replace(version.state, rate=self.version.state.rate).slowed(factor)
        self.version = Version(self.version.number + 1, version.params, state, version.samples)
        for in_flight in self._in_flight.values():
            in_flight.expire(float("inf"))

    def receive(self, message: Message) -> Computation | Hold | None:
        """Handle one message; a failure is reported to the sentinel of the batch."""
        if isinstance(message, _BATCH):
            if reason := self._rejection(message.header):
                self.counts.drop(reason)
                return None
            if self._updating and self._has_to_wait(message):
                return HOLD
            return self._on_batch(message)
        if isinstance(message, Leave):
            self.drop_sentinel(message.sentinel.actor)
        else:
            self.counts.drop("not for a gate")
        return None

    def _has_to_wait(self, message: Forward | Backward) -> bool:
        """It reads a version that lacks an update which its sender, or the bound on delays, counts on."""
        header = message.header
        if isinstance(message, Backward):
            return False
        if header.opening:
            return True
        home = header.reply_to.actor
        missing = [done for actor, done in self._updating if actor == home and done < header.sequence]
        return len(missing) > 1 or any(done < header.floor for done in missing)

    def _rejection(self, header: Header) -> str | None:
        if self.migrating:
            return "gate moved away"
        if header.network != self.network or header.generation != self.generation:
            return "other generation"
        if header.reply_to.actor in self._tombstones:
            return "sentinel gone"
        return None

    def _on_batch(self, message: Forward | Backward) -> Computation | None:
        header = message.header
        in_flight = self._in_flight[header.reply_to.actor]
        in_flight.advance_floor(header, self._clock())
        self.counts.nbytes_in += array_nbytes(message)
        if header.sequence < in_flight.floor:
            self.counts.drop("finished batch")
            return None
        if isinstance(message, Backward):
            return self._backward(in_flight, header, message.dy)
        if header.mode == "train":
            return self._forward(in_flight, header, message.x)
        return self._evaluate(in_flight, header, message.x)

    def _forward(self, in_flight: InFlight, header: Header, x: Array) -> Computation | None:
        before = in_flight.batches.get(header.sequence)
        if before is not None and header.attempt <= before.attempt:
            self.counts.drop("repeated forward")
            return None
        applied = before is not None and before.applied
        batch = StashedBatch(header.attempt, self.version, None, self._clock() + header.deadline, applied)
        in_flight.batches[header.sequence] = batch
        key = self._key.fold(header.sentinel, header.pass_number, header.sequence) if self.chain.draws else None
        to, last = self.next or header.reply_to, self.next is None
        return ForwardPass(self.chain, header, self.version, self._send, to, x=x, last=last, batch=batch, key=key)

    def _evaluate(self, in_flight: InFlight, header: Header, x: Array) -> Computation | None:
        if in_flight.is_duplicate_opening(header):
            self.counts.drop("repeated opening")
        elif (pinned := in_flight.pin(header, self.version, self._clock())) is not None:
            to, last = self.next or header.reply_to, self.next is None
            return Evaluation(self.chain, header, pinned, self._send, to, x=x, last=last)
        else:
            self.counts.drop("pin unknown")
            self._send(header.reply_to, Refused(header, self.name))
        return None

    def _backward(self, in_flight: InFlight, header: Header, dy: Array | None) -> Computation | None:
        batch = in_flight.batches.get(header.sequence)
        if batch is None or dy is None or batch.context is None or batch.attempt != header.attempt:
            self.counts.drop("backward without its forward")
            return None
        stale, context = batch.release()
        if self.gate.backward == "latest":
            context, stale = self.chain.rebind(context, self.version.params), self.version
        applies, batch.applied = not batch.applied, True
        to, need_dx = self.previous or header.reply_to, self.previous is not None
        if applies and need_dx:
            self._updating.add(header.batch)
        return BackwardPass(
            self.chain, header, stale, self._send, to, context=context, dy=dy, need_dx=need_dx, applies=applies
        )

    def apply(self, computation: Computation) -> None:
        """Take the result into the gate's state."""
        if isinstance(computation, BackwardPass):
            self._updating.discard(computation.header.batch)
        if computation.error is not None:
            self._report_failure(computation.header, computation.error)
            return
        computation.count(self.counts)
        if isinstance(computation, BackwardPass):
            self._apply_gradient(computation)
        elif isinstance(computation, ForwardPass) and computation.batch.version is not None:
            computation.batch.context = computation.context

    def _apply_gradient(self, computation: BackwardPass) -> None:
        if not computation.applies:
            self.counts.drop("second update of a batch")
            return
        try:
            self._update(computation.grads, computation.version, computation.samples)
        except BaseException as error:
            self._report_failure(computation.header, error)

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
        if self._keep is not None:
            self._keep_version(self._clock())

    def _keep_version(self, now: float) -> None:
        if self._keep is not None and not self.migrating:
            self._keep(self.version, now)

    def _report_failure(self, header: Header, error: BaseException) -> None:
        self.counts.failed += 1
        self._send(header.reply_to, Failed(header, self.name, self.worker, format_exception(error)))

    def drop_sentinel(self, actor: str) -> None:
        """Drop everything held for a sentinel, and every later message from it."""
        self._in_flight.pop(actor, None)
        self._tombstones[actor] = self._clock()

    def on_timer(self, now: float) -> float:
        """Release expired contexts, pins and tombstones."""
        for actor, in_flight in list(self._in_flight.items()):
            in_flight.expire(now)
            if in_flight.idle(now):
                del self._in_flight[actor]
        for actor, since in list(self._tombstones.items()):
            if now - since > _TOMBSTONE:
                del self._tombstones[actor]
        self._keep_version(now)
        return _TICK

    def stop(self) -> None:
        """Release everything held for sentinels."""
        self._in_flight.clear()

    @property
    def contexts(self) -> int:
        """Batches whose forward pass is kept for their backward pass."""
        return sum(in_flight.contexts for in_flight in self._in_flight.values())

    @property
    def versions(self) -> int:
        """Distinct versions that are held: the present one, those of batches in flight, and pins."""
        return len({self.version.number}.union(*(own.versions for own in self._in_flight.values())))
