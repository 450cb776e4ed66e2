"""The order in which gates of a simulated cluster work, and its replay by plain layers without actors or messages."""

from threadpoolctl import threadpool_limits

from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.nn import Key


def recording_gate(events):
    """A class of gates that add `(kind, gate, batch)` to `events`: a batch is sentinel, pass, sequence and attempt."""

    class RecordingGate(GateBehavior):
        def _forward(self, in_flight, header, x):
            computation = super()._forward(in_flight, header, x)
            if computation is not None:
                events.append(("forward", self.name, batch_of(header)))
            return computation

        def _apply_gradient(self, computation):
            if computation.applies:
                events.append(("update", self.name, batch_of(computation.header)))
            super()._apply_gradient(computation)

        def take_cut(self, name, held):
            events.append(("cut", self.name, name))
            return super().take_cut(name, held)

    return RecordingGate


def batch_of(header):
    return header.sentinel, header.pass_number, header.sequence, header.attempt


class Replay:
    """The same layers and optimizers on the same batches, in the order of the events.

    Parameters
    ----------
    batches
        by sentinel, pass and sequence: the inputs and the targets.
    """

    def __init__(self, network, batches, *, loss, seed):
        self._gates = dict(zip(network.names, network.gates, strict=True))
        self._names, self._seed, self._batches, self._loss = network.names, seed, batches, loss
        self.params = network.init(seed)
        self._states = {name: gate.optimizer.init(self.params[name]) for name, gate in self._gates.items()}
        self._outputs, self._contexts, self._backward = {}, {}, {}

    @threadpool_limits.wrap(limits=1, user_api="blas")  # as the gates have it: the number changes bits
    def run(self, events):
        """The parameters of each gate when it was asked for its part of each cut, by the cut's name."""
        cuts = {}
        for kind, gate, what in events:
            if kind == "forward":
                self._run_forward(gate, what)
            elif kind == "update":
                self._update(gate, what)
            else:
                cuts.setdefault(what, {})[gate] = self.params[gate]
        return cuts

    def _run_forward(self, gate, batch):
        at = self._names.index(gate)
        x = self._outputs[self._names[at - 1], batch] if at else self._batches[batch[:3]][0]
        key = Key((self._seed,)).fold(gate).fold(*batch[:3])
        y, context = self._gates[gate].chain.forward(self.params[gate], x, train=True, key=key)
        self._outputs[gate, batch], self._contexts[gate, batch] = y, (context, self.params[gate])

    def _update(self, gate, batch):
        spec, now = self._gates[gate], self.params[gate]
        _, grads = self._gradients(gate, batch)
        stale = self._contexts[gate, batch][1]
        updated, self._states[gate] = spec.optimizer.update(grads, self._states[gate], now, stale_params=stale)
        self.params[gate] = spec.chain.advance(updated, grads)

    def _gradients(self, gate, batch):
        """By the input and by the parameters: they depend on the forward pass alone."""
        if (gate, batch) not in self._backward:
            at = self._names.index(gate)
            if at + 1 < len(self._names):
                dy, _ = self._gradients(self._names[at + 1], batch)
            else:
                _, dy = self._loss(self._outputs[gate, batch], self._batches[batch[:3]][1])
            context, _ = self._contexts[gate, batch]
            self._backward[gate, batch] = self._gates[gate].chain.backward(context, dy, need_dx=at > 0)
        return self._backward[gate, batch]


def batches_of(provider, sentinel, batch_size, passes):
    """All batches of some passes, by sentinel, pass and sequence."""
    source, found = provider.open(), {}
    for number in range(1, passes + 1):
        for batch in source.batches(number, batch_size):
            found[sentinel, number, len(found)] = batch
    source.close()
    return found
