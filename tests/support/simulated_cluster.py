"""A simulated cluster: gates and sentinels over an in-memory post with a virtual clock.

Everything of an actor is real but its thread, its worker and the time: each has its real cell and its real
behavior. One loop takes the next event (a delivery, a step of an actor, a timer), so a run is a pure function
of the network, the seed and the fates of the messages.
"""

import heapq
import itertools

from akkordeon_dask.actors.engine._cell import Cell
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.sentinel._batch_reader import make_batch_reader
from akkordeon_dask.actors.sentinel._behavior import SentinelBehavior
from akkordeon_dask.actors.sentinel._retransmission import RetransmissionTimer
from akkordeon_dask.messages import Address, Leave
from tests.support.stepped_engine import SteppedEngine

PERFECT = (0.0,)
"""The fate of a message that arrives once, at once."""


class _Engine(SteppedEngine):
    """Timers are events of the cluster."""

    def __init__(self, cluster):
        super().__init__()
        self._cluster = cluster

    def arm(self, cell, due):
        cell.due = due
        self._cluster.at(due - self.now, self._cluster.tick, cell, due)

    def _queued(self, cell, lane):
        self._cluster.queued(cell)


class SimulatedCluster:
    """A network on a simulated cluster, which decides the fate of each message.

    Parameters
    ----------
    network, seed
        the network to train.
    fate
        returns for a message the seconds after which each of its copies arrives: `()` loses it, `(0, 9)` repeats it.
    pace
        returns the seconds that an actor takes for its next message.
    help
        returns the seconds that another thread takes for a gate's next computation; None: none is free.
    timer
        makes a sentinel's `RetransmissionTimer`.
    max_attempts
        of a batch.
    n_microbatches
        of a step, where updates are synchronous.
    gate_class
        the class of the gates' behaviors: a subclass may watch.
    """

    def __init__(
        self, network, *, seed=0, fate=lambda message: PERFECT, pace=lambda: 0.0, help=lambda: None,
        timer=RetransmissionTimer, max_attempts=5, gate_class=GateBehavior, n_microbatches=None,
    ):  # fmt: skip
        self.engine = _Engine(self)
        self.fate, self.pace, self.help = fate, pace, help
        self.timer, self.max_attempts = timer, max_attempts
        self.behaviors, self.reports, self.addresses = {}, {}, {}
        self._events, self._number, self._in_flight = [], itertools.count(), 0
        self.cells, self._at_work = {}, set()
        addresses = [Address(f"worker of {name}", f"gate {name}") for name in network.names]
        self.gates = [
            gate_class(
                gate, name=name, network="net", generation=1, seed=seed, worker=address.worker,
                clock=lambda: self.now, send=self.send, address=address, n_microbatches=n_microbatches,
            )
            for name, gate, address in zip(network.names, network.gates, addresses, strict=True)
        ]  # fmt: skip
        self.gate_addresses = tuple(addresses)
        self.synchronous = n_microbatches is not None
        for before, address, gate, behind in zip(
            [None, *addresses], addresses, self.gates, [*addresses[1:], None], strict=False
        ):
            gate.wire(before, behind, addresses[0])
            self._add(address, gate).mailbox.entry = before is None

    @property
    def now(self):
        """Seconds since the begin."""
        return self.engine.now

    def attach(self, name, sentinel):
        """Let a sentinel begin; returns its behavior."""
        address = Address(f"worker of {name}", f"sentinel {name}")
        self.reports[name], self.addresses[name] = [], address
        behavior = self.behaviors[name] = SentinelBehavior(
            sentinel, name=name, address=address, network="net", generation=1, gates=self.gate_addresses,
            clock=lambda: self.now, send=self.send, report=self.reports[name].append,
            timer=self.timer(), max_attempts=self.max_attempts,
        )  # fmt: skip
        behavior.synchronous = self.synchronous
        endless = bool(sentinel.batches_per_pass)
        source = sentinel.provider.open()
        behavior.reader = make_batch_reader(
            source, sentinel.batch_size, endless_passes=endless, wake=lambda: None, name=name
        )
        self._add(address, behavior)
        return behavior

    def _add(self, address, behavior):
        cell = self.cells[address.actor] = Cell(self.engine, address.actor, behavior)
        return cell

    def mailbox(self, address):
        """Of the actor at the address."""
        return self.cells[address.actor].mailbox

    def send(self, to, message):
        """Called by behaviors: each copy is delivered when its fate says so."""
        for delay in self.fate(message):
            self._in_flight += 1
            self.at(delay, self._deliver, to, message)

    def at(self, delay, function, *arguments):
        """Have an event after so many seconds."""
        heapq.heappush(self._events, (self.now + delay, next(self._number), function, arguments))

    def _deliver(self, to, message):
        self._in_flight -= 1
        self.cells[to.actor].put(message)

    def queued(self, cell):
        """A cell has mail."""
        if cell not in self._at_work:
            self._at_work.add(cell)
            self.at(self.pace(), self._work, cell)

    def _work(self, cell):
        seconds = self.help()
        self._at_work.discard(cell)
        if seconds is None:
            self.engine.step(cell)
        else:
            self.engine.step(cell, detached=lambda cell, computation: self._detach(cell, computation, seconds))

    def _detach(self, cell, computation, seconds):
        """Another thread computes: the actor has the result in its mailbox before it is sent on."""
        computation.run()
        self._in_flight += 2
        self.at(seconds, self._deliver_result, cell, computation)
        self.at(2 * seconds, self._send_on, cell, computation)

    def _deliver_result(self, cell, computation):
        self._in_flight -= 1
        self.engine.deliver_result(cell, computation)

    def _send_on(self, cell, computation):
        self._in_flight -= 1
        computation.send()

    def tick(self, cell, due):
        """The timer of a cell may be due."""
        with self.engine.lock:
            self.engine._ring(cell, due)

    def stand_still(self, seconds):
        """Nothing happens anywhere meanwhile; afterwards all timers that are due come first, as in a dispatcher."""
        now = self.engine.now = self.engine.now + seconds
        self._events[:] = [(max(due, now), *event) for due, *event in self._events]
        heapq.heapify(self._events)
        for cell in self.cells.values():
            if cell.due <= now:
                self.tick(cell, cell.due)

    def run(self, until, *, law=lambda: None, events=20_000):
        """Take events until `until()` is True; `law` is called after each."""
        for _ in range(events):
            if until():
                return
            self.engine.now, _, function, arguments = heapq.heappop(self._events)
            function(*arguments)
            law()
        states = {
            name: (behavior.state, behavior.in_flight, behavior.restarts) for name, behavior in self.behaviors.items()
        }
        raise AssertionError(f"not finished in {events} events and {self.now:g} s: {states}")

    def run_for(self, seconds):
        """Let time pass."""
        end = self.now + seconds
        self.run(lambda: self._events[0][0] > end)
        self.engine.now = end

    def finished(self):
        """All sentinels with an end have reached it; those without one (validation) have finished a pass."""
        return all(
            behavior.state != "running" or (behavior.sentinel.mode == "validate" and self.reports[name])
            for name, behavior in self.behaviors.items()
        )

    def quiet(self):
        """No message is in flight, none waits."""
        return not self._in_flight and not self._at_work

    def close(self):
        """All sentinels leave, and their last messages arrive; none of their `Leave` messages is lost."""
        stormy = self.fate
        self.fate = lambda message: PERFECT if isinstance(message, Leave) else stormy(message)
        for behavior in self.behaviors.values():
            behavior.stop()
        self.run(self.quiet)
