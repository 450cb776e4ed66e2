"""A simulated cluster: gates and sentinels over an in-memory post with a virtual clock.

Everything of an actor is real but its thread, its worker and the time: each has its real mailbox and its real
behavior. One loop takes the next event (a delivery, a step of an actor, a timer), so a run is a pure function
of the network, the seed and the fates of the messages.
"""

import heapq
import itertools
from functools import partial

from akkordeon_dask.actors.engine._mailbox import Mailbox
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.sentinel._batch_reader import make_batch_reader
from akkordeon_dask.actors.sentinel._behavior import SentinelBehavior
from akkordeon_dask.actors.sentinel._in_flight import RetransmissionTimer
from akkordeon_dask.messages import Address, Leave

PERFECT = (0.0,)
"""The fate of a message that arrives once, at once."""


class _Actor:
    """An actor and its mailbox; a thread would run its `behavior`."""

    def __init__(self, behavior):
        self.behavior, self.mailbox, self.at_work = behavior, Mailbox(), False


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
        returns the seconds that a helper takes for a gate's next computation; None: no helper is free.
    timer
        makes a sentinel's `RetransmissionTimer`.
    max_attempts
        of a batch.
    gate_class
        the class of the gates' behaviors: a subclass may watch.
    """

    def __init__(
        self, network, *, seed=0, fate=lambda message: PERFECT, pace=lambda: 0.0, help=lambda: None,
        timer=RetransmissionTimer, max_attempts=5, gate_class=GateBehavior,
    ):  # fmt: skip
        self.now = 0.0
        self.fate, self.pace, self.help = fate, pace, help
        self.timer, self.max_attempts = timer, max_attempts
        self.behaviors, self.reports, self.addresses = {}, {}, {}
        self._events, self._number, self._in_flight = [], itertools.count(), 0
        self._actors = {}
        addresses = [Address(f"worker of {name}", f"gate {name}") for name in network.names]
        self.gates = [
            gate_class(
                gate, name=name, network="net", generation=1, seed=seed, worker=address.worker,
                clock=lambda: self.now, send=self.send, assist=partial(self._assist, address),
            )
            for name, gate, address in zip(network.names, network.gates, addresses, strict=True)
        ]  # fmt: skip
        self.gate_addresses = tuple(addresses)
        for before, address, gate, behind in zip(
            [None, *addresses], addresses, self.gates, [*addresses[1:], None], strict=False
        ):
            gate.wire(before, behind)
            self._add(address, gate)

    def attach(self, name, sentinel):
        """Let a sentinel begin; returns its behavior."""
        address = Address(f"worker of {name}", f"sentinel {name}")
        self.reports[name], self.addresses[name] = [], address
        behavior = self.behaviors[name] = SentinelBehavior(
            sentinel, name=name, address=address, network="net", generation=1, gates=self.gate_addresses,
            clock=lambda: self.now, send=self.send, report=self.reports[name].append,
            timer=self.timer(), max_attempts=self.max_attempts,
        )  # fmt: skip
        endless = bool(sentinel.batches_per_pass)
        source = sentinel.provider.open()
        behavior.reader = make_batch_reader(
            source, sentinel.batch_size, endless_passes=endless, wake=lambda: None, name=name
        )
        self._add(address, behavior)
        return behavior

    def _add(self, address, behavior):
        actor = self._actors[address.actor] = _Actor(behavior)
        self._at(0.0, self._tick, actor)

    def mailbox(self, address):
        """Of the actor at the address."""
        return self._actors[address.actor].mailbox

    def send(self, to, message):
        """Called by behaviors: each copy is delivered when its fate says so."""
        for delay in self.fate(message):
            self._in_flight += 1
            self._at(delay, self._deliver, to, message)

    def _at(self, delay, function, *arguments):
        heapq.heappush(self._events, (self.now + delay, next(self._number), function, arguments))

    def _assist(self, address, work):
        """A helper computes: the gate has the result in its mailbox before it is sent on."""
        seconds = self.help()
        if seconds is None:
            return False
        work.compute()
        self._in_flight += 2
        self._at(seconds, self._deliver, address, work)
        self._at(2 * seconds, self._send_on, self._actors[address.actor].behavior, work)
        return True

    def _send_on(self, gate, work):
        gate.send_result(work)
        self._in_flight -= 1

    def _deliver(self, to, message):
        actor = self._actors[to.actor]
        actor.mailbox.put(message)
        self._in_flight -= 1
        if not actor.at_work:
            actor.at_work = True
            self._at(self.pace(), self._work, actor)

    def _work(self, actor):
        message = actor.mailbox.get(timeout=0)
        actor.at_work = message is not None
        if actor.at_work:
            actor.behavior.receive(message)
            self._at(self.pace(), self._work, actor)

    def _tick(self, actor):
        self._at(actor.behavior.on_timer(self.now), self._tick, actor)

    def run(self, until, *, law=lambda: None, events=20_000):
        """Take events until `until()` is True; `law` is called after each."""
        for _ in range(events):
            if until():
                return
            self.now, _, function, arguments = heapq.heappop(self._events)
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
        self.now = end

    def finished(self):
        """All sentinels with an end have reached it; those without one (validation) have finished a pass."""
        return all(
            behavior.state != "running" or (behavior.sentinel.mode == "validate" and self.reports[name])
            for name, behavior in self.behaviors.items()
        )

    def quiet(self):
        """No message is in flight, none waits."""
        return not self._in_flight and not any(actor.at_work for actor in self._actors.values())

    def close(self):
        """All sentinels leave, and their last messages arrive; none of their `Leave` messages is lost."""
        stormy = self.fate
        self.fate = lambda message: PERFECT if isinstance(message, Leave) else stormy(message)
        for behavior in self.behaviors.values():
            behavior.stop()
        self.run(self.quiet)
