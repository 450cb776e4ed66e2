"""Gates and sentinels that trace the parameters of each prediction."""

from collections import Counter, defaultdict

from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.actors.sentinel._behavior import SentinelBehavior
from akkordeon_dask.actors.sentinel._passes import Passes
from akkordeon_dask.actors.sentinel._position import Position
from akkordeon_dask.messages import Forward
from akkordeon_dask.nn import Chain


class TracedChain(Chain):
    """Keeps for an output, outside training, the parameters of all gates that it was computed with."""

    def __init__(self, layers, gate, traces):
        super().__init__(layers)
        object.__setattr__(self, "gate", gate)
        object.__setattr__(self, "traces", traces)

    def forward(self, params, x, *, train=False, **options):
        y, context = super().forward(params, x, train=train, **options)
        if not train:
            _, before = self.traces.get(id(x), (x, ()))
            self.traces[id(y)] = y, (*before, (self.gate, params))
        return y, context


class TracedGate(GateBehavior):
    """Counts the updates of this incarnation by each batch, and keeps all versions that a snapshot may have."""

    def __init__(self, *arguments, traces, **options):
        super().__init__(*arguments, **options)
        self.chain = TracedChain(self.chain, self.name, traces)
        self.updates, self.history = Counter(), [self.versions.present]

    def apply(self, computation):
        before = self.versions.present
        super().apply(computation)
        if self.versions.present is not before:
            self.updates[computation.header.batch] += self.versions.present.number - before.number
            self.history.append(self.versions.present)


class TracedPasses(Passes):
    """Keeps the versions that each pass has read."""

    def __init__(self, sentinel):
        super().__init__(sentinel)
        self.trace, self.read = (), defaultdict(list)

    def complete(self, batch):
        super().complete(batch)
        self.read[batch.pass_number].append(self.trace)


class TracedSentinel(SentinelBehavior):
    """Keeps the parameters of each prediction, and all positions that a snapshot may have."""

    def __init__(self, sentinel, *, traces, **options):
        super().__init__(sentinel, **options)
        self.passes, self._traces = TracedPasses(sentinel), traces
        self.positions = [Position()]

    def receive(self, message):
        self.positions.append(self.passes.position(self._clock()) or Position())
        self.passes.trace = self._traces[id(message.x)][1] if isinstance(message, Forward) and not self.trains else ()
        super().receive(message)
