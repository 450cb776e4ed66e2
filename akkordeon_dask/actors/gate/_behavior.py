"""The behavior of a gate: a state machine without a thread, a clock or a network of its own."""

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from akkordeon_dask._exceptions import format_exception
from akkordeon_dask.actors._lateness import Lateness
from akkordeon_dask.actors.engine._behavior import HOLD, Hold, Send
from akkordeon_dask.actors.gate._computations import BackwardPass, Computation, Evaluation, ForwardPass
from akkordeon_dask.actors.gate._cuts import GateCut
from akkordeon_dask.actors.gate._in_flight import InFlight, SeenBatches, StashedBatch
from akkordeon_dask.actors.gate._pace import Pace
from akkordeon_dask.actors.gate._state import GateCounts, GateState, Version, aligned_version
from akkordeon_dask.actors.gate._synchronous_steps import Steps
from akkordeon_dask.actors.gate._versions import Versions
from akkordeon_dask.errors import CheckpointError, DeploymentError
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
    Refused,
    StepEnd,
    array_nbytes,
)
from akkordeon_dask.network import Gate
from akkordeon_dask.nn import Key
from akkordeon_dask.optim import State
from akkordeon_dask.tree import Tree, leaves

__all__ = ["GateBehavior"]

_TICK = 1.0
_TOMBSTONE = 600.0
"""Seconds for which a closed sentinel is remembered."""
_BATCH = Forward, Backward  # a union would be made at each use


class GateBehavior:
    """A gate's state, and the effect of each message on it.

    One thread at a time calls it. Any thread may read its present version; see `Versions`.

    Parameters
    ----------
    send
        sends a message to another actor.
    keep
        called with the version after each update and at each tick, where a snapshot may be due; None: there are none.
    bare
        it has no parameters before `import_state`.
    address
        of the gate.
    n_microbatches
        the gate updates once a step of so many batches, together with the other gates; None: as it accumulates.
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
        bare: bool = False,
        address: Address | None = None,
        n_microbatches: int | None = None,
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
        self.entry: Address | None = None
        """The first gate; None: this gate has not been told yet."""
        self._clock = clock
        self._lateness = Lateness()
        self._send = send
        self._keep = keep
        self._key = Key((seed,)).fold(name)
        self._in_flight: defaultdict[str, InFlight] = defaultdict(InFlight)
        self._updating: set[tuple[str, int]] = set()
        """Batches whose gradient is being computed; it may have left, where there is a gate in front."""
        self._tombstones: dict[str, float] = {}
        self._fenced: dict[str, SeenBatches] = {}
        """The answers to `fence`, as long as there is a tombstone: a caller whose answer got lost asks again."""
        first = None if bare else Key((seed,)).fold(name, "init")
        synchronous = n_microbatches is not None
        self.versions = Versions(gate, self.chain, self.counts, key=first, synchronous=synchronous)
        self._steps: Steps | None = None
        if n_microbatches is not None:
            assert address is not None
            self._steps = Steps(self, address, n_microbatches, send=send, clock=clock)
        self._admission: Steps | Pace | None = self._steps
        """Lets training batches wait in front of the gate."""
        if self._steps is None and gate.on_stale == "wait":
            assert address is not None and gate.max_delay is not None
            self._admission = Pace(self, address, gate.max_delay, gate.accumulate, send=send, clock=clock)
        self._last_gradient: Header | None = None
        """The batch of the newest gradient that is accumulated."""
        self._rewound = 0
        """The number of the version that the last rewind has made: gradients of versions before it are of no use."""

    def wire(self, previous: Address | None, next_: Address | None, entry: Address | None = None) -> None:
        """Set the neighbours, where None stands for the sentinel of each batch, and the first gate, if it is known."""
        self.previous, self.next, self.entry = previous, next_, entry

    def export_state(self) -> GateState:
        """Start no more computations; returns the state for the next incarnation. No computation is under way."""
        self.migrating = True
        applied = {key: (own.floor, own.applied_sequences) for key, own in self._in_flight.items()}
        return GateState(self.versions.present, applied, None if self._steps is None else self._steps.export_step())

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
        others = [one for actor, one in self._in_flight.items() if actor not in held]
        for one in others:
            one.give_up(self._clock())
        if number := sum(one.contexts for one in others):
            raise CheckpointError(f"gate {self.name!r} holds {number} batches of a sentinel that was not asked to wait")
        own = {actor: self._in_flight.get(actor, InFlight()) for actor in held}
        applied = {
            actor: tuple(sequence for sequence in sentinel.lost if own[actor].was_applied(sequence))
            for actor, sentinel in held.items()
        }
        return GateCut(name, self.versions.present, applied)

    def import_state(self, state: GateState) -> None:
        """Continue where another incarnation has stopped."""
        now = self._clock()
        self.versions.present = aligned_version(state.version)
        in_flight = {key: InFlight.applied(*applied, now) for key, applied in state.applied.items()}
        self._in_flight = defaultdict(InFlight, in_flight)
        if self._steps is not None and state.step is not None:
            self._steps.import_step(state.step)

    def resume(self) -> None:
        """Handle batches again: the migration was cancelled."""
        self.migrating = False
        if self._admission is not None:
            for actor in self._tombstones:
                self._admission.leave(actor)

    def replace(self, params: Tree, state: State) -> None:
        """Continue with other parameters, as `Versions.replace` does.

        Raises
        ------
        CheckpointError
            when the gate moves.
        """
        if self.migrating:
            raise CheckpointError(f"gate {self.name!r} moves to another worker: load again")
        self.versions.replace(params, state)

    def slow(self, factor: float, least: float = 0.0) -> None:
        """Go on with all learning rates times `factor`, but not below their `least` share.

        Raises
        ------
        DeploymentError
            when the gate moves.
        """
        self._check_stays()
        self.versions.slow(factor, least)

    def rated_parameters(self, actor: str, number: int) -> Tree | None:
        """The parameters that a pass of this sentinel reads, or has read; None where they are not known (any more)."""
        own = self._in_flight.get(actor)
        version = None if own is None else own.rated(number)
        return None if version is None else version.params

    def rewind(self, version: Version, factor: float) -> None:
        """Go back to a former version, with learning rates times `factor`; the batches in flight are resent.

        Raises
        ------
        DeploymentError
            when the gate moves.
        """
        self._check_stays()
        self.versions.rewind(version, factor)
        self._rewound = self.versions.present.number
        for in_flight in self._in_flight.values():
            in_flight.expire(float("inf"))
        if isinstance(self._admission, Pace):
            self._admission.clear()

    def _check_stays(self) -> None:
        """A gate that moves has handed out its version: the next incarnation would not learn of a later one."""
        if self.migrating:
            raise DeploymentError(f"gate {self.name!r} moves to another worker: try again")

    def receive(self, message: Message) -> Computation | Hold | None:
        """Handle one message; a failure is reported to the sentinel of the batch."""
        if isinstance(message, _BATCH):
            if reason := self._rejection(message.header):
                self.counts.drop(reason)
                return None
            if self._updating and self.previous is not None and self._has_to_wait(message):
                return HOLD
            return self._on_batch(message)
        if isinstance(message, Leave):
            self.drop_sentinel(message.sentinel.actor)
        elif isinstance(message, Flush | StepEnd) and self._steps is not None:
            self._on_step(self._steps, message)
        else:
            self.counts.drop("not for a gate")
        return None

    def _on_step(self, steps: Steps, message: Flush | StepEnd) -> None:
        home = message.sentinel.actor if isinstance(message, Flush) else ""
        if reason := self._mismatch(message.network, message.generation, home):
            self.counts.drop(reason)
        else:
            steps.receive(message)

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
        return self._mismatch(header.network, header.generation, header.reply_to.actor)

    def _mismatch(self, network: str, generation: int, sentinel: str) -> str | None:
        if self.migrating:
            return "gate moved away"
        if network != self.network or generation != self.generation:
            return "other generation"
        if sentinel in self._tombstones:
            return "sentinel gone"
        return None

    def _on_batch(self, message: Forward | Backward) -> Computation | None:
        header = message.header
        in_flight = self._in_flight[header.reply_to.actor]
        in_flight.advance_floor(header, self._clock())
        if header.sequence < in_flight.floor:
            self.counts.drop("finished batch")
            return None
        if isinstance(message, Forward) and self._comes_too_soon(in_flight, message):
            return None
        self.counts.nbytes_in += array_nbytes(message)
        try:
            return self._begin(in_flight, header, message)
        except Exception as error:  # of an optimizer that predicts, averages or has a schedule, or of a layer's rebind
            self._report_failure(header, error)
            return None

    def _begin(self, in_flight: InFlight, header: Header, message: Forward | Backward) -> Computation | None:
        if isinstance(message, Backward):
            return self._backward(in_flight, header, message)
        if header.mode == "train":
            return self._forward(in_flight, header, message)
        return self._evaluate(in_flight, header, message)

    def _comes_too_soon(self, in_flight: InFlight, message: Forward) -> bool:
        """The batch has to wait in front of the gate."""
        if self._admission is None or message.header.mode != "train":
            return False
        before = in_flight.batches.get(message.header.sequence)
        # One that is applied may have to reach a gate that was restarted; a copy of what was here goes no further.
        passes = before is not None and (before.applied or message.header.attempt <= before.attempt)
        return not (passes or self._admission.admits(message))

    def _forward(self, in_flight: InFlight, header: Header, message: Forward) -> Computation | None:
        before = in_flight.batches.get(header.sequence)
        if before is not None and header.attempt <= before.attempt:
            self.counts.drop("repeated forward")
            return None
        applied = before is not None and before.applied
        version = self.versions.ahead
        batch = StashedBatch(header.attempt, version, None, 0.0, applied)
        in_flight.keep(batch, header, self._clock())
        key = self._key.fold(header.sentinel, header.pass_number, header.sequence) if self.chain.draws else None
        to, last = self.next or header.reply_to, self.next is None
        completes = self._steps is None and self.versions.accumulated + 1 >= self.gate.accumulate
        return ForwardPass(
            self.chain, header, version, self._send, to,
            x=message.x, last=last, batch=batch, key=key, completes=completes, wire=self.gate.wire,
            narrowing=message.narrowing,
        )  # fmt: skip

    def _evaluate(self, in_flight: InFlight, header: Header, message: Forward) -> Computation | None:
        if in_flight.is_duplicate_opening(header):
            self.counts.drop("repeated opening")
        elif (pinned := in_flight.pin(header, self.versions.rated, self._clock())) is not None:
            to, last = self.next or header.reply_to, self.next is None
            return Evaluation(
                self.chain, header, pinned, self._send, to,
                x=message.x, last=last, wire=self.gate.wire, narrowing=message.narrowing,
            )  # fmt: skip
        else:
            self.counts.drop("pin unknown")
            self._send(header.reply_to, Refused(header, self.name))
        return None

    def _backward(self, in_flight: InFlight, header: Header, message: Backward) -> Computation | None:
        batch = in_flight.batches.get(header.sequence)
        if batch is None or message.dy is None or batch.context is None or batch.attempt != header.attempt:
            self.counts.drop("backward without its forward")
            return None
        stale, context = batch.release()
        if not batch.applied and self._admission is not None and not self._admission.expects(header):
            self.counts.drop("gradient that was given up")  # its batch is sent, and admitted, again
            return None
        if self.gate.backward == "latest":
            stale = self.versions.present
            context = self.chain.rebind(context, stale.params)
        applies, batch.applied = not batch.applied, True
        to, need_dx = self.previous or header.reply_to, self.previous is not None
        if applies:
            self._updating.add(header.batch)
        return BackwardPass(
            self.chain, header, stale, self._send, to,
            context=context, dy=message.dy, need_dx=need_dx, applies=applies, wire=self.gate.wire,
            narrowing=message.narrowing,
        )  # fmt: skip

    def apply(self, computation: Computation) -> None:
        """Take the result into the gate's state."""
        # An abstract class takes long to answer isinstance.
        updates = type(computation) is BackwardPass and computation.applies
        if updates:
            self._updating.discard(computation.header.batch)
        if computation.error is not None:
            self._report_failure(computation.header, computation.error)
        else:
            self._apply_result(computation)
        if updates and self._admission is not None:
            self._admission.finished(computation.header)

    def _apply_result(self, computation: Computation) -> None:
        computation.count(self.counts)
        if type(computation) is BackwardPass:
            self._apply_gradient(computation)
        elif type(computation) is ForwardPass and computation.batch.version is not None:
            computation.batch.context = computation.context

    def _apply_gradient(self, computation: BackwardPass) -> None:
        if not computation.applies:
            self.counts.drop("second update of a batch")
            return
        header = computation.header
        if computation.version.number < self._rewound:
            self.counts.drop("gradient from before a rewind")
            return
        if header.skips_nonfinite and not _is_finite(computation.grads):
            self.counts.drop("gradient that is not finite")
            return
        self._last_gradient = header
        try:
            updated = self.versions.update(computation.grads, computation.version, computation.samples, header.weight)
            if updated and self._keep is not None:
                self._keep_version(self._clock())
        except BaseException as error:
            self._report_failure(header, error)

    # Steps

    @property
    def computes_gradients(self) -> bool:
        """Gradients that were sent on are not accumulated yet."""
        return bool(self._updating)

    def computes_gradient_of(self, batch: tuple[str, int]) -> bool:
        """The gradient of this batch is being computed, whatever has become of its sentinel meanwhile."""
        return batch in self._updating

    def holds(self, batch: tuple[str, int]) -> bool:
        """The gate can still compute the gradient of this batch."""
        in_flight = self._in_flight.get(batch[0])
        return in_flight is not None and in_flight.holds(batch[1])

    def end_step(self) -> None:
        """Update with what is accumulated, if anything is."""
        try:
            updated = self.versions.end_step()
        except BaseException as error:
            if self._last_gradient is not None:
                self._report_failure(self._last_gradient, error)
            return
        if updated and self._keep is not None:
            self._keep_version(self._clock())

    def _keep_version(self, now: float) -> None:
        if self._keep is not None and not self.migrating:
            self._keep(self.versions.present, now)

    def _report_failure(self, header: Header, error: BaseException) -> None:
        self.counts.failed += 1
        self._send(header.reply_to, Failed(header, self.name, self.worker, format_exception(error)))

    def fence(self, actor: str, since: int) -> SeenBatches:
        """Take nothing more of a sentinel; returns what is known of its batches from `since` on."""
        if actor not in self._fenced:
            in_flight = self._in_flight.get(actor)
            self._fenced[actor] = SeenBatches() if in_flight is None else in_flight.seen(since)
        self.drop_sentinel(actor)
        return self._fenced[actor]

    def drop_sentinel(self, actor: str) -> None:
        """Drop everything held for a sentinel, and every later message from it."""
        self._in_flight.pop(actor, None)
        self._tombstones[actor] = self._clock()
        if self._admission is not None and not self.migrating:
            self._admission.leave(actor)

    def on_timer(self, now: float) -> float:
        """Release expired contexts, pins and tombstones."""
        late = self._lateness.at(now)
        for actor, in_flight in list(self._in_flight.items()):
            in_flight.postpone(late)
            in_flight.expire(now)
            if in_flight.idle(now):
                del self._in_flight[actor]
        for actor, since in list(self._tombstones.items()):
            if now - since > _TOMBSTONE:
                del self._tombstones[actor]
                self._fenced.pop(actor, None)
        if self._admission is not None and not self.migrating:
            self._admission.postpone(late)
            self._admission.on_timer()
        self._keep_version(now)
        self._lateness.expect(now + _TICK)
        return _TICK

    def stop(self) -> None:
        """Release everything held for sentinels."""
        self._in_flight.clear()

    @property
    def contexts(self) -> int:
        """Batches whose forward pass is kept for their backward pass."""
        return sum(in_flight.contexts for in_flight in self._in_flight.values())

    @property
    def held_versions(self) -> int:
        """Distinct versions that are held: the present one, those of batches in flight, and pins."""
        return len(self.versions.held.union(*(in_flight.versions for in_flight in self._in_flight.values())))


def _is_finite(grads: Tree) -> bool:
    return all(np.isfinite(leaf).all() for leaf in leaves(grads, statistics=False))
