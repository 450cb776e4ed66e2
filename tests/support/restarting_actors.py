"""A stand-in whose gates and sentinels die, are made anew, move and leave, under what could be a supervisor.

What a supervisor says to an actor arrives when the drawn pauses say so, to each actor on its own. An actor that is lost
either is gone for ever or has only been stopped, and wakes as a ghost that goes on with what it had.
"""

import itertools
from collections import Counter
from functools import partial

from akkordeon_dask.actors.sentinel._batch_reader import make_batch_reader
from akkordeon_dask.messages import Address, Leave
from tests.support.simulated_cluster import Standin
from tests.support.traced_actors import TracedGate, TracedSentinel

__all__ = ["Lives"]


class Lives(Standin):
    """A network under a supervisor, with troubles.

    Parameters
    ----------
    network
        what is trained.
    troubles
        pairs: so many messages after the trouble before it, this function is called with the stand-in.
    pause
        gives the seconds until the next word of the supervisor arrives.
    options
        of the `Standin`.
    """

    def __init__(self, network, *, troubles=(), pause=lambda: 0.0, **options):
        self.traces, self.former, self.generation = {}, [], 1
        self.names = network.names
        self._spec, self._troubles, self._pause = network, list(troubles), pause
        self._born, self._quiet_for, self._pending = itertools.count(), 0, 0
        self._silent, self._moving = set(), set()
        super().__init__(network, gate_class=partial(TracedGate, traces=self.traces), **options)

    def send(self, to, message):
        super().send(to, message)
        self._quiet_for += 1
        if self._troubles and self._quiet_for > self._troubles[0][0]:
            self._quiet_for = 0
            self._later(0.0, self._troubles.pop(0)[1], self)

    def _later(self, seconds, function, *arguments):
        self._pending += 1
        self._at(seconds, self._now, function, *arguments)

    def _now(self, function, *arguments):
        function(*arguments)
        self._pending -= 1

    def settle(self):
        """No more troubles: all that the supervisor has begun is done."""
        self._troubles.clear()
        self.run(lambda: not self._pending)

    # Sentinels

    def attach(self, name, sentinel, position=None):
        address = Address(f"worker of {name}", f"sentinel {name} {next(self._born)}")
        self.addresses[name] = address
        behavior = self.behaviors[name] = TracedSentinel(
            sentinel, name=name, address=address, network="net", generation=self.generation, gates=self.places,
            clock=lambda: self.now, send=self.send, report=self.reports.setdefault(name, []).append,
            timer=self.timer(), max_attempts=self.max_attempts, traces=self.traces,
        )  # fmt: skip
        if position is not None:
            behavior.passes.resume(position, self.now)
            behavior.told = [position]
        source = sentinel.provider.open()
        behavior.reader = make_batch_reader(
            source, sentinel.batch_size, endless_passes=False, wake=lambda: None, name=name
        )
        self._add(address, behavior)
        return behavior

    def leave(self, which):
        """A sentinel is detached."""
        self.behaviors[self._named(which)].stop()

    def renew(self, which, age=0):
        """A sentinel dies while it runs, and is made anew at the position that it told `age` messages before."""
        name = self._named(which)
        behavior, former = self.behaviors[name], self.addresses[name]
        if behavior.state == "running":
            self._silent.add(behavior)
            told = behavior.told[max(0, len(behavior.told) - 1 - age)]
            self.attach(name, behavior.sentinel, told.after(len(self.reports[name])))
            for gate in self.places:
                self.send(gate, Leave("net", former))

    def _named(self, which):
        return sorted(self.behaviors)[which % len(self.behaviors)]

    # Gates

    def lose(self, which, age=0, mended=0.0, wakes=None):
        """A gate dies; after `mended` seconds it is made anew from what it was `age` updates ago.

        Where it `wakes` after so many seconds it was only stopped.
        """
        place = which % len(self.gates)
        gate = self.gates[place]
        if gate not in self._silent:
            self._silent.add(gate)
            self._later(mended, self._mend, place, gate, age)
            if wakes is not None:
                self._later(wakes, self._wake, gate, self._actors[self.places[place].actor])

    def _wake(self, gate, actor):
        self._silent.discard(gate)
        actor.at_work = True
        self._at(0.0, self._work, actor)

    def _mend(self, place, lost, age):
        if self.gates[place] is lost:
            fresh = self._make(place)
            fresh.history = lost.history[: max(1, len(lost.history) - age)]
            fresh.version = fresh.history[-1]
            self._join(place, fresh)

    def move(self, which, pause=0.0, fails=False):
        """A gate goes to another worker; where that fails it stays."""
        place = which % len(self.gates)
        if place not in self._moving:
            self._moving.add(place)
            self._hand_over(place, self.gates[place], pause, fails)

    def _hand_over(self, place, gate, pause, fails):
        handover = None
        if self.gates[place] is not gate or gate in self._silent:
            self._moving.discard(place)
        elif (handover := gate.export_state()) is None:
            self._later(0.001, self._hand_over, place, gate, pause, fails)
        else:
            self._later(pause, self._moved, place, gate, None if fails else handover)

    def _moved(self, place, gate, handover):
        self._moving.discard(place)
        if handover is None:
            gate.migrating = False
        elif self.gates[place] is gate:
            fresh = self._make(place)
            fresh.import_state(handover)
            fresh.history, fresh.updates = list(gate.history), Counter(gate.updates)
            self._join(place, fresh)

    def adopt(self):
        """Another owner takes the network over."""
        self.generation += 1
        self._tell_all()

    def _make(self, place):
        name = self._spec.names[place]
        address = Address(f"worker of {name}", f"gate {name} {next(self._born)}")
        behavior = TracedGate(
            self._spec.gates[place], name=name, network="net", generation=self.generation, seed=0,
            worker=address.worker, clock=lambda: self.now, send=self.send, assist=partial(self._assist, address),
            traces=self.traces,
        )  # fmt: skip
        self._add(address, behavior)
        self.places = (*self.places[:place], address, *self.places[place + 1 :])
        return behavior

    def _join(self, place, fresh):
        self.former.append(self.gates[place])
        self.gates[place] = fresh
        self._wire(place)
        self._tell_all()

    def _tell_all(self):
        for place in range(len(self.gates)):
            self._later(self._pause(), self._wire, place)
        for name in self.behaviors:
            self._later(self._pause(), self._rewire, name)

    def _wire(self, place):
        gate, around = self.gates[place], (None, *self.places, None)
        if gate not in self._silent:
            gate.generation = self.generation
            gate.wire(around[place], around[place + 2])

    def _rewire(self, name):
        self.behaviors[name].rewire(self.places, self.generation)

    # What does not happen to who is silent

    def _deliver(self, to, message):
        actor = self._actors[to.actor]
        if actor.behavior in self._silent:  # who is only stopped finds it when it wakes
            actor.mailbox.put(message)
            self._under_way -= 1
        else:
            super()._deliver(to, message)
        mailbox = actor.mailbox
        waiting = [held.header.batch for lane in (mailbox._backward, mailbox._forward) for held in lane.values()]
        assert len(set(waiting)) == len(waiting), f"{to.actor} holds a batch twice"

    def _work(self, actor):
        if actor.behavior in self._silent:
            actor.at_work = False
        else:
            super()._work(actor)

    def _tick(self, actor):
        if actor.behavior not in self._silent:
            super()._tick(actor)

    def _send_on(self, gate, work):
        if gate in self._silent:
            self._under_way -= 1
        else:
            super()._send_on(gate, work)
