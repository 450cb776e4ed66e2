"""A simulated cluster whose gates and sentinels die, restart, migrate and leave, under a simulated supervisor.

The supervisor's calls reach each actor after drawn pauses. A lost actor either is gone or was only stopped, and wakes
as a ghost that continues with its old state.
"""

import itertools
from collections import Counter
from functools import partial

from akkordeon_dask.actors.sentinel._batch_reader import make_batch_reader
from akkordeon_dask.messages import Address, Leave
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.traced_actors import TracedGate, TracedSentinel


class RestartingCluster(SimulatedCluster):
    """A network under a supervisor, with faults.

    Parameters
    ----------
    network
        what is trained.
    troubles
        pairs of a number of messages since the last fault, and a function that is called with the simulated cluster.
    pause
        returns the seconds until the next call of the supervisor arrives.
    options
        of the `SimulatedCluster`.
    """

    def __init__(self, network, *, troubles=(), pause=lambda: 0.0, **options):
        self.traces, self.former, self.generation = {}, [], 1
        self.names = network.names
        self._spec, self._troubles, self._pause = network, list(troubles), pause
        self._born, self._quiet_for, self._pending = itertools.count(), 0, 0
        self._silent, self._moving = set(), set()
        self._size = options.get("n_microbatches")
        super().__init__(network, gate_class=partial(TracedGate, traces=self.traces), **options)

    def send(self, to, message):
        super().send(to, message)
        self._quiet_for += 1
        if self._troubles and self._quiet_for > self._troubles[0][0]:
            self._quiet_for = 0
            self._later(0.0, self._troubles.pop(0)[1], self)

    def _later(self, seconds, function, *arguments):
        self._pending += 1
        self.at(seconds, self._now, function, *arguments)

    def _now(self, function, *arguments):
        function(*arguments)
        self._pending -= 1

    def settle(self):
        """Inject no more faults, and let the supervisor finish."""
        self._troubles.clear()
        self.run(lambda: not self._pending)

    # Sentinels

    def attach(self, name, sentinel, position=None):
        address = Address(f"worker of {name}", f"sentinel {name} {next(self._born)}")
        self.addresses[name] = address
        behavior = self.behaviors[name] = TracedSentinel(
            sentinel, name=name, address=address, network="net", generation=self.generation, gates=self.gate_addresses,
            clock=lambda: self.now, send=self.send, report=self.reports.setdefault(name, []).append,
            timer=self.timer(), max_attempts=self.max_attempts, traces=self.traces,
        )  # fmt: skip
        behavior.synchronous = self._size is not None
        if position is not None:
            behavior.passes.resume(position, self.now)
            behavior.positions = [position]
        source = sentinel.provider.open()
        behavior.reader = make_batch_reader(
            source, sentinel.batch_size, endless_passes=False, wake=lambda: None, name=name
        )
        self._add(address, behavior)
        return behavior

    def leave(self, which):
        """A sentinel is detached."""
        self.behaviors[self._named(which)].stop()

    def restart_sentinel(self, which, age=0):
        """A sentinel dies while it runs, and restarts at its position `age` messages before."""
        name = self._named(which)
        behavior, former = self.behaviors[name], self.addresses[name]
        if behavior.state == "running":
            self._silent.add(behavior)
            position = behavior.positions[max(0, len(behavior.positions) - 1 - age)]
            self.attach(name, behavior.sentinel, position.after(len(self.reports[name])))
            for gate in self.gate_addresses:
                self.send(gate, Leave("net", former))

    def _named(self, which):
        return sorted(self.behaviors)[which % len(self.behaviors)]

    # Gates

    def lose(self, which, age=0, restarted=0.0, wakes=None):
        """A gate dies; after `restarted` seconds it restarts from its version `age` updates ago.

        Where it `wakes` after this many seconds it was only stopped.
        """
        index = which % len(self.gates)
        gate = self.gates[index]
        if gate not in self._silent:
            self._silent.add(gate)
            self._later(restarted, self._restart, index, gate, age)
            if wakes is not None:
                self._later(wakes, self._wake, gate, self.cells[self.gate_addresses[index].actor])

    def _wake(self, gate, cell):
        self._silent.discard(gate)
        self.queued(cell)

    def _restart(self, index, lost, age):
        if self.gates[index] is lost:
            fresh = self._make(index)
            fresh.history = lost.history[: max(1, len(lost.history) - age)]
            fresh.versions.present = fresh.history[-1]
            self._join(index, fresh)

    def move(self, which, pause=0.0, fails=False):
        """A gate migrates to another worker; where that fails it stays."""
        index = which % len(self.gates)
        if index not in self._moving:
            self._moving.add(index)
            self._export(index, self.gates[index], pause, fails)

    def _export(self, index, gate, pause, fails):
        if self.gates[index] is not gate or gate in self._silent:
            self._moving.discard(index)
        elif self.cells[self.gate_addresses[index].actor].computing:  # a call waits for that
            self._later(0.001, self._export, index, gate, pause, fails)
        else:
            handover = gate.export_state()
            self._later(pause, self._moved, index, gate, None if fails else handover)

    def _moved(self, index, gate, handover):
        self._moving.discard(index)
        if handover is None:
            gate.migrating = False
        elif self.gates[index] is gate:
            fresh = self._make(index)
            fresh.import_state(handover)
            fresh.history, fresh.updates = list(gate.history), Counter(gate.updates)
            self._join(index, fresh)

    def adopt(self):
        """Another owner takes the network over."""
        self.generation += 1
        self._rewire_all()

    def _make(self, index):
        name = self._spec.names[index]
        address = Address(f"worker of {name}", f"gate {name} {next(self._born)}")
        behavior = TracedGate(
            self._spec.gates[index], name=name, network="net", generation=self.generation, seed=0,
            worker=address.worker, clock=lambda: self.now, send=self.send,
            traces=self.traces, address=address, n_microbatches=self._size,
        )  # fmt: skip
        self._add(address, behavior)
        self.gate_addresses = (*self.gate_addresses[:index], address, *self.gate_addresses[index + 1 :])
        return behavior

    def _join(self, index, fresh):
        self.former.append(self.gates[index])
        self.gates[index] = fresh
        self._wire(index)
        self._rewire_all()

    def _rewire_all(self):
        for index in range(len(self.gates)):
            self._later(self._pause(), self._wire, index)
        for name in self.behaviors:
            self._later(self._pause(), self._rewire, name)

    def _wire(self, index):
        gate, around = self.gates[index], (None, *self.gate_addresses, None)
        if gate not in self._silent:
            gate.generation = self.generation
            gate.wire(around[index], around[index + 2], around[1])
            self.mailbox(self.gate_addresses[index]).entry = index == 0

    def _rewire(self, name):
        self.behaviors[name].rewire(self.gate_addresses, self.generation)

    # Silent actors: a stopped one finds its mail when it wakes

    def _deliver(self, to, message):
        super()._deliver(to, message)
        waiting = [held.header.batch for held in self.mailbox(to).batches]
        assert len(set(waiting)) == len(waiting), f"{to.actor} holds a batch twice"

    def _work(self, cell):
        if cell.behavior in self._silent:
            self._at_work.discard(cell)
        else:
            super()._work(cell)

    def _send_on(self, cell, computation):
        if cell.behavior in self._silent:
            self._in_flight -= 1
        else:
            super()._send_on(cell, computation)
