"""The loop of a simulation."""

import math
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from akkordeon_dask._numbers import check_int
from akkordeon_dask.data import Batch, Provider, Source, as_provider, open_source
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.memory import aligned
from akkordeon_dask.messages import WireFormat, narrowed, widened
from akkordeon_dask.network import Gate, Network, Sentinel, check_weighable
from akkordeon_dask.nn import Key, Loss, Score, ScoreState, SoftmaxCrossEntropy
from akkordeon_dask.nn._loss import applied_loss
from akkordeon_dask.simulation._delays import Delays, GateDelays, check_delays, drawn, longest
from akkordeon_dask.tree import Array, Tree

__all__ = ["SimulatedEpoch", "Simulation", "simulate"]

_TEST_BATCH = 1000


@dataclass(frozen=True)
class SimulatedEpoch:
    """An epoch of a simulation, as `Simulation.epochs` has it: its loss and scores, and those of a validation.

    Examples
    --------
    >>> SimulatedEpoch(1, 0.5, {}, None, {}).loss
    0.5
    """

    epoch: int
    """Its number, from 1."""
    loss: float
    """The mean over its samples, each as it was when its batch was trained."""
    scores: Mapping[str, float]
    """The scores of the same predictions, by their names."""
    validation_loss: float | None
    """The mean over the samples of `validation`, after the epoch; None without such data."""
    validation_scores: Mapping[str, float]
    """The scores of the same predictions, by their names; empty without such data."""


@dataclass(frozen=True)
class Simulation:
    """The result of `simulate`: parameters, epochs, and the delays of gradients.

    Examples
    --------
    >>> Simulation({}, (SimulatedEpoch(1, 0.5, {}, None, {}),), updates=469, diverged=False, delays={}).epochs[-1].loss
    0.5
    """

    parameters: Mapping[str, Tree]
    """The parameters of each gate, by its name, after the last update."""
    epochs: tuple[SimulatedEpoch, ...]
    """All epochs that were finished, in their order."""
    updates: int
    """The number of updates, the same for each gate."""
    diverged: bool
    """The loss became NaN or infinite: the simulation ended there."""
    delays: Mapping[str, float]
    """The mean delay of each gate's gradients, in updates."""


@dataclass(frozen=True)
class _Plan:
    """The parts of a simulation that are the same for all epochs."""

    network: Network
    source: Source
    sentinel: Sentinel

    def parts(self, batch: Batch) -> tuple[Array, Array, Array | None]:
        """Samples, targets and weights of a batch that the network takes."""
        x, target, *rest = batch
        if target is None:
            raise DataError("a simulation compares predictions with targets: give it data with labels")
        self.network.check_input(x.shape[1:], x.dtype)
        weights = rest[0] if rest else None
        if weights is not None:
            check_weighable(self.sentinel)
        return x, target, weights


class _SimulatedGate:
    """A gate, with the versions that batches may still be late for."""

    def __init__(self, name: str, gate: Gate, delays: GateDelays, seed: int, *, last: bool) -> None:
        self.chain, self.optimizer, self.key = gate.chain, gate.optimizer, Key((seed,)).fold(name)
        self.latest = gate.backward == "latest"
        self.wire, self.last = gate.wire, last
        self.params = gate.init(self.key.fold("init"))
        self.state = self.optimizer.init(self.params)
        self.delays = drawn(delays, self.key.fold("delays"))
        self.versions: deque[Tree] = deque([self.params], maxlen=min(longest(delays) + 1, sys.maxsize))
        """The parameters of forward passes, the newest last."""
        self.updates = self.late = 0

    def forward(self, x: Array, *batch: int | str) -> Array:
        """Of the next batch, with the version that is as many updates old as the batch's gradient will be late."""
        self.delay = min(next(self.delays), self.updates)
        self.stale = self.versions[-1 - self.delay]
        key = self.key.fold(*batch) if self.chain.draws else None
        y, self.context = self.chain.forward(self.stale, aligned(x), train=True, key=key)
        return self._sent_on(y)

    def _sent_on(self, y: Array) -> Array:
        return y if self.last else _received(y, self.wire)

    def backward(self, dy: Array, *, need_dx: bool) -> Array | None:
        """The gradient by the input of that batch; the gate is updated."""
        context, stale, delay = self.context, self.stale, self.delay
        if self.latest:
            context, stale, delay = self.chain.rebind(context, self.params), self.params, 0
        dx, grads = self.chain.backward(context, aligned(dy), need_dx=need_dx)
        params, self.state = self.optimizer.update_late(grads, self.state, self.params, stale_params=stale, delay=delay)
        self.params = self.chain.advance(params, grads) if self.chain.observes else params
        self.versions.append(self.optimizer.predicted_params(self.params, self.state))
        self.updates += 1
        self.late += self.delay
        return None if dx is None else _received(dx, self.wire)

    def predict(self, x: Array) -> Array:
        """With the parameters that passes rate."""
        return self._sent_on(self.chain.forward(self.optimizer.rated_params(self.params, self.state), aligned(x))[0])


def _received(array: Array, wire: WireFormat | None) -> Array:
    """An array that a gate has sent, as another one has it."""
    return widened(*narrowed(array, wire))


class _Mean:
    """The loss and the scores of many batches."""

    def __init__(self, sentinel: Sentinel) -> None:
        self._loss, self._scores = sentinel.loss, sentinel.scores
        self._sum = self._weight = 0.0
        self._states: dict[str, ScoreState] = {}

    def add(self, y: Array, target: Array, weights: Array | None, *, need_dy: bool) -> tuple[float, Array | None]:
        """The loss of a batch and its gradient by y."""
        y = aligned(y)
        value, dy = applied_loss(self._loss, y, target, weights, need_dy=need_dy)
        weight = float(self._loss.total_weight(target, weights))
        self._sum, self._weight = self._sum + value * weight, self._weight + weight
        outputs, labels, its = self._loss.scored(y, target, weights)
        for score in self._scores if len(outputs) else ():
            state = score.update(outputs, labels) if its is None else score.update(outputs, labels, its)
            before = self._states.get(score.name)
            self._states[score.name] = state if before is None else score.merge(before, state)
        return value, dy

    def results(self) -> tuple[float, dict[str, float]]:
        """The loss, and each score; NaN where no sample has a weight."""
        states = [(score, self._states.get(score.name)) for score in self._scores]
        scores = {one.name: math.nan if state is None else float(one.result(state)) for one, state in states}
        return self._sum / self._weight if self._weight else math.nan, scores


def simulate(
    network: Network | Gate,
    provider: Provider,
    *,
    delays: Delays = 0,
    batch_size: int = 64,
    epochs: int = 1,
    loss: Loss = SoftmaxCrossEntropy(),  # noqa: B008 - a frozen value
    scores: Sequence[Score] | None = None,
    validation: Provider | None = None,
    seed: int = 0,
    sentinel: str = "train0",
) -> Simulation:
    """Train a network in one loop, with gradients that are late by known numbers of updates.

    The forward pass of a batch in a gate uses the version that is `delay` updates older than the one to which the
    gradient is applied, and the optimizer learns the delay and the stale parameters, as in a gate of a cluster. Gates
    update in the order of the batches. Where the delays are those of a deployed network, whose gates had the batches in
    one order, the parameters are the same bit for bit: with `concurrency=1` all are 0.

    A gate's `backward` policy counts: with `"latest"` the backward pass goes through the newest parameters. Delays are
    then those of the forward passes, and a deployed gate, whose gradients are in time, records 0 for each.

    Parameters
    ----------
    network
        its layers, optimizers, `backward` policies and `wire` formats are used.
    provider
        the data of training; they end.
    delays
        in updates: a number; `"by-gate"`, as many as there are gates behind it; or by the gate's name a number, a trace
        (a delay for each gradient in turn, the last stays) or counts of gradients by their delay, to draw from, as
        `running.statistics()["g0"].counts.delays` has them. The first gradients are late by the updates that there are.
    batch_size, epochs, loss, scores
        as a sentinel's.
    validation
        data to rate after each epoch; None: none are.
    seed
        of the first parameters, of all masks, and of drawn delays.
    sentinel
        the name of the sentinel that would train it; masks depend on it.

    Raises
    ------
    SpecError
        where a gate accumulates or has a bound on delays, the delays are those of other gates, or an option is not what
        a sentinel's should be.
    DataError, ShapeError
        where there are no batches or no targets, or the samples do not fit the network.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import Gate, data, nn, optim, simulate
    >>> x = np.random.default_rng(0).normal(size=(256, 4)).astype(np.float32)
    >>> network = Gate(nn.Linear(4, 8) >> nn.Tanh(), optim.SGD(0.5)) | Gate(nn.Linear(8, 2), optim.SGD(0.5))
    >>> found = simulate(network, data.arrays(x, (x[:, 0] > 0).astype(int)), delays="by-gate", batch_size=32, epochs=9)
    >>> found.updates, found.epochs[-1].scores["accuracy"] > 0.9
    (72, True)
    """
    network = Network([network]) if isinstance(network, Gate) else network
    if not isinstance(network, Network):
        raise SpecError(f"simulate takes a Network, gates joined by |, not {network!r}")
    gates = _gates(network, delays, check_int("seed", seed))
    epochs = check_int("epochs", epochs, 1)
    options: dict[str, Any] = {"batch_size": batch_size, "loss": loss, "scores": scores, "name": sentinel}
    trainer = Sentinel.train(provider, **options)
    validation = None if validation is None else as_provider(validation)
    done: list[SimulatedEpoch] = []
    with closing(open_source(trainer.provider)) as source, _as_gates_compute():
        plan = _Plan(network, source, trainer)
        while len(done) < epochs and (trained := _train(plan, gates, len(done) + 1)) is not None:
            rated = (None, {}) if validation is None else _rate(plan, gates, validation)
            done.append(SimulatedEpoch(len(done) + 1, *trained, *rated))
    updates = gates[0].updates
    mean = {name: gate.late / max(updates, 1) for name, gate in zip(network.names, gates, strict=True)}
    params = {name: gate.params for name, gate in zip(network.names, gates, strict=True)}
    return Simulation(params, tuple(done), updates, diverged=len(done) < epochs, delays=mean)


@contextmanager
def _as_gates_compute() -> Iterator[None]:
    """With one BLAS thread: their number changes bits. A divergence is a result here, and no reason for warnings."""
    with threadpool_limits(limits=1, user_api="blas"), np.errstate(over="ignore", invalid="ignore"):
        yield


def _gates(network: Network, delays: Delays, seed: int) -> list[_SimulatedGate]:
    checked = check_delays(delays, network.names)
    for name, gate in zip(network.names, network.gates, strict=True):
        if gate.max_delay is not None:
            raise SpecError(
                f"gate {name!r} has max_delay={gate.max_delay}: delays of a simulation are given, leave it out"
            )
        if gate.accumulate > 1:
            raise SpecError(f"gate {name!r} has accumulate={gate.accumulate}: a simulation updates with each batch")
    last = network.names[-1]
    return [
        _SimulatedGate(name, gate, checked[name], seed, last=name == last)
        for name, gate in zip(network.names, network, strict=True)
    ]


def _train(plan: _Plan, gates: list[_SimulatedGate], epoch: int) -> tuple[float, dict[str, float]] | None:
    """An epoch of training: its loss and scores; None where it diverges."""
    mean = _Mean(plan.sentinel)
    before = gates[0].updates
    for batch in plan.source.batches(epoch, plan.sentinel.batch_size):
        y, target, weights = plan.parts(batch)
        for gate in gates:
            y = gate.forward(y, plan.sentinel.name or "", epoch, gate.updates)
        value, dy = mean.add(y, target, weights, need_dy=True)
        if not math.isfinite(value):
            return None
        for position in range(len(gates) - 1, -1, -1):
            assert dy is not None
            dy = gates[position].backward(dy, need_dx=position > 0)
    if gates[0].updates == before:
        raise DataError("the data of a simulation have no batches")
    return mean.results()


def _rate(plan: _Plan, gates: list[_SimulatedGate], provider: Provider) -> tuple[float, dict[str, float]]:
    mean = _Mean(plan.sentinel)
    with closing(open_source(provider)) as source:
        for batch in source.batches(1, min(_TEST_BATCH, source.samples or _TEST_BATCH)):
            y, target, weights = plan.parts(batch)
            for gate in gates:
                y = gate.predict(y)
            mean.add(y, target, weights, need_dy=False)
    return mean.results()
