"""The simulator gives the parameters of the actors, bit for bit, where the delays are the same."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from akkordeon_dask import Gate, Network, Sentinel, data, nn, optim, simulate
from akkordeon_dask.actors.gate._behavior import GateBehavior
from akkordeon_dask.errors import AkkordeonError, SpecError
from akkordeon_dask.simulation._delays import check_delays, drawn
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.support.sequential_trainer import train_sequentially
from tests.support.simulated_cluster import SimulatedCluster

SEED, BATCH_SIZE, EPOCHS = 11, 20, 3
MOMENTUM = optim.SGD(0.05, momentum=0.9)
POLICIES = [
    optim.SGD(0.1),
    optim.DCASGDa(optim.WarmUp(5, optim.Cosine(0.1, 30))),
    optim.NAdam(0.01, beta1=0.99),
    optim.Muon(0.02),
    optim.GapAware(MOMENTUM),
    optim.DelayAdaptiveRate(optim.Adam(0.01)),
    optim.DelayWarmUp(MOMENTUM, 20),
    optim.WeightPrediction(MOMENTUM),
    optim.WeightPrediction(optim.Adam(0.01), rule="linear"),
    optim.Clip(optim.WeightPrediction(optim.SGD(0.1), rule="last-update"), norm=1),
    optim.EMA(optim.SpikeCompensation(MOMENTUM)),
]


def network(optimizer, backward="stashed", wire=None):
    pieces = [nn.Linear(6, 9) >> nn.ReLU() >> nn.Dropout(0.2), nn.Linear(9, 8) >> nn.BatchNorm1d(8), nn.Linear(8, 3)]
    return Network(Gate(piece, optimizer, backward=backward, wire=wire) for piece in pieces)


def samples():
    rng = np.random.default_rng(5)
    return data.arrays(rng.normal(size=(130, 6)).astype(np.float32), rng.integers(0, 3, 130), seed=2)


def bits(parameters):
    return {name: [leaf.tobytes() for leaf in leaves(tree)] for name, tree in parameters.items()}


class _TracedGate(GateBehavior):
    """Keeps the delays of its gradients, in the order of its updates; the gradient's sequence is that of the update."""

    def _apply_gradient(self, computation):
        if computation.applies:
            self.trace = getattr(self, "trace", [])
            self.trace.append(self.versions.present.updates - computation.version.updates)
        super()._apply_gradient(computation)


def trained_by_actors(spec, concurrency):
    cluster = SimulatedCluster(spec, seed=SEED, gate_class=_TracedGate)
    cluster.attach("alone", Sentinel.train(samples(), batch_size=BATCH_SIZE, concurrency=concurrency, epochs=EPOCHS))
    cluster.run(cluster.finished)
    return cluster


def simulated(spec, **options):
    return simulate(spec, samples(), batch_size=BATCH_SIZE, epochs=EPOCHS, seed=SEED, sentinel="alone", **options)


@pytest.mark.parametrize("optimizer", POLICIES, ids=repr)
def test_without_delay_it_is_the_plain_loop_and_the_actors_with_one_batch_in_flight(optimizer):
    spec = network(optimizer)
    plan = {"loss": nn.SoftmaxCrossEntropy(), "batch_size": BATCH_SIZE, "epochs": EPOCHS}
    loop = train_sequentially(spec, samples(), seed=SEED, sentinel="alone", **plan)
    cluster = trained_by_actors(spec, 1)
    found = simulated(spec)
    assert bits(found.parameters) == bits(loop)
    assert bits(found.parameters) == bits({gate.name: gate.versions.present.params for gate in cluster.gates})
    assert not found.diverged and found.updates == 21


@pytest.mark.parametrize("optimizer", POLICIES, ids=repr)
def test_with_the_recorded_delays_it_is_the_actors_with_four_batches_in_flight(optimizer):
    cluster = trained_by_actors(network(optimizer), 4)
    trace = {gate.name: gate.trace for gate in cluster.gates}
    assert max(map(max, trace.values())) > 1
    found = simulated(network(optimizer), delays=trace)
    assert bits(found.parameters) == bits({gate.name: gate.versions.present.params for gate in cluster.gates})
    assert found.delays == {name: pytest.approx(np.mean(delays)) for name, delays in trace.items()}
    assert bits(found.parameters) != bits(simulated(network(optimizer)).parameters)


@pytest.mark.parametrize("wire", ["float16", "bfloat16"])
def test_gates_that_send_half_the_bytes_do_so_in_a_simulation(wire):
    cluster = trained_by_actors(network(MOMENTUM, wire=wire), 4)
    found = simulated(network(MOMENTUM, wire=wire), delays={gate.name: gate.trace for gate in cluster.gates})
    assert bits(found.parameters) == bits({gate.name: gate.versions.present.params for gate in cluster.gates})


def test_the_report_of_the_actors_has_the_same_loss_and_scores():
    cluster = trained_by_actors(network(MOMENTUM), 1)
    for epoch, report in zip(simulated(network(MOMENTUM)).epochs, cluster.reports["alone"], strict=True):
        assert epoch.loss == pytest.approx(report.loss, rel=1e-12)
        assert epoch.scores == pytest.approx(dict(report.scores), rel=1e-12)


def test_the_backward_pass_goes_through_the_latest_parameters_where_the_gate_says_so():
    stashed, latest = (simulated(network(optim.SGD(0.1), way), delays=3).parameters for way in ("stashed", "latest"))
    assert bits(stashed) != bits(latest)
    both = [simulated(network(optim.SGD(0.1), way)).parameters for way in ("stashed", "latest")]
    assert bits(both[0]) == bits(both[1])


def test_gates_in_front_have_later_gradients():
    found = simulated(network(optim.SGD(0.1)), delays="by-gate")
    named = simulated(network(optim.SGD(0.1)), delays={"g0": 2, "g1": [0, 1], "g2": {0: 5}})
    assert bits(found.parameters) == bits(named.parameters)
    assert found.delays == pytest.approx({"g0": (1 + 2 * 19) / 21, "g1": 20 / 21, "g2": 0})


def test_delays_are_drawn_in_proportion_to_their_counts():
    delays = drawn({0: 1, 3: 3, 9: 0}, nn.Key((1,)))
    found = [next(delays) for _ in range(4000)]
    assert set(found) == {0, 3}
    assert abs(found.count(3) - 3000) < 5 * math.sqrt(4000 * 0.75 * 0.25)


def test_validation_rates_the_averaged_parameters():
    rated = [
        simulated(network(one), validation=samples()).epochs[-1].validation_loss
        for one in (optim.SGD(0.1), optim.EMA(optim.SGD(0.1)))
    ]
    assert rated[0] != rated[1]


def test_an_epoch_in_which_no_sample_counts_has_neither_loss_nor_scores():
    loss = nn.SoftmaxCrossEntropy(ignore_index=0)
    provider = data.arrays(np.ones((40, 6), np.float32), np.zeros(40, int))
    found = simulate(network(optim.SGD(0.1)), provider, batch_size=BATCH_SIZE, loss=loss)
    (epoch,) = found.epochs
    assert math.isnan(epoch.loss) and math.isnan(epoch.scores["accuracy"])


def test_a_divergence_ends_it():
    found = simulated(network(optim.SGD(1e30)), delays=2)
    assert found.diverged and not found.epochs


@for_each("delays, said", [
    (-1, "delays is a whole number of at least 0, not -1"),
    ("late", "a whole number, 'by-gate' or a dict by the gates' names, not 'late'"),
    ([1, 0, 2], r"a whole number, 'by-gate' or a dict by the gates' names, not \[1, 0, 2\]"),
    ({"g0": 1}, "those of the gates g0, g1, g2, not of g0"),
    ({"g0": 1, "g1": 1, "g2": 0.5}, "a delay of gate 'g2' is a whole number of at least 0, not 0.5"),
    ({"g0": 1, "g1": [], "g2": 0}, "gate 'g1' has an empty trace of delays"),
    ({"g0": {3: 0}, "g1": 0, "g2": 0}, "gate 'g0' has no gradients in {3: 0}"),
])  # fmt: skip
def test_delays_that_make_no_sense_are_refused(delays, said):
    with pytest.raises(SpecError, match=said):
        check_delays(delays, ("g0", "g1", "g2"))


def test_delays_may_be_recorded_in_an_array_and_longer_than_the_training():
    traces = [0, 2], np.array([0, 2])
    listed, recorded = (simulated(network(MOMENTUM), delays={"g0": its, "g1": 10**30, "g2": 0}) for its in traces)
    assert bits(listed.parameters) == bits(recorded.parameters)
    assert listed.delays["g1"] == 10


@for_each("options, said", [
    ({"network": nn.Linear(6, 3)}, r"simulate takes a Network, gates joined by \|, not nn\.Linear\(6, 3\)"),
    ({"provider": np.ones((8, 6))}, "a value of type ndarray is no provider: give data.mnist"),
    ({"provider": Sentinel.train(samples())}, "of type Sentinel is no provider: give the provider in it"),
    ({"validation": 3}, "3 of type int is no provider"),
    ({"provider": data.arrays(np.ones((8, 5), np.float32), np.zeros(8, int))}, "5"),
    ({"loss": "mse"}, "a sentinel's loss is an nn.Loss, e.g. nn.SoftmaxCrossEntropy\\(\\), not 'mse'"),
    ({"scores": ["accuracy"]}, "scores are nn.Score, e.g. nn.Accuracy\\(\\), not 'accuracy'"),
    ({"batch_size": 0}, "a sentinel's batch_size is a whole number of at least 1, not 0"),
])  # fmt: skip
def test_an_argument_that_makes_no_sense_is_refused(options, said):
    options = {"network": network(MOMENTUM), "provider": samples(), "batch_size": 4} | options
    with pytest.raises(AkkordeonError, match=said):
        simulate(options.pop("network"), options.pop("provider"), **options)


@for_each("policy, said", [({"max_delay": 2}, "max_delay=2"), ({"accumulate": 4}, "accumulate=4")])
def test_what_it_cannot_simulate_is_refused(policy, said):
    with pytest.raises(SpecError, match=f"gate 'g0' has {said}"):
        simulated(Network([Gate(nn.Linear(6, 3), optim.SGD(0.1), **policy)]))


@dataclass(frozen=True, repr=False)
class Squares(nn.Loss):
    """A user's loss, whose gradient is `dy` of one in float64."""

    dy: Callable[[np.ndarray], object] = np.array

    def __call__(self, y, target, *, need_dy=True):
        apart = y.astype(np.float64) - np.eye(3)[target]
        return (apart**2).mean(), self.dy(2 * apart / apart.size)


def test_a_loss_with_a_gradient_of_another_dtype_trains_as_the_actors_do():
    """The gradient goes on in the dtype of the outputs."""
    spec = network(MOMENTUM)
    cluster = SimulatedCluster(spec, seed=SEED)
    options = {"batch_size": BATCH_SIZE, "loss": Squares()}
    cluster.attach("alone", Sentinel.train(samples(), concurrency=1, epochs=EPOCHS, **options))
    cluster.run(cluster.finished)
    found = simulate(spec, samples(), epochs=EPOCHS, seed=SEED, sentinel="alone", **options)
    assert bits(found.parameters) == bits({gate.name: gate.versions.present.params for gate in cluster.gates})
    assert type(found.epochs[0].loss) is float


@for_each(
    "dy, said",
    [
        (lambda dy: None, "a NoneType"),
        (lambda dy: dy.tolist(), "a list"),
        (lambda dy: dy.mean(axis=1), r"float64 of shape \(20,\)"),
        (lambda dy: dy.mean(axis=0), r"float64 of shape \(3,\)"),
    ],
)
def test_a_loss_without_a_gradient_says_what_it_returns(dy, said):
    with pytest.raises(SpecError, match=rf"Squares\(.*\) gives {said} as gradient: it returns \(loss, dy\)"):
        simulated(network(MOMENTUM), loss=Squares(dy))


def test_a_loss_that_takes_no_weights_is_refused_where_the_data_have_some():
    x, y = np.zeros((40, 6), np.float32), np.zeros(40, int)
    weighted = data.arrays(x, y, weights=np.ones(40))
    with pytest.raises(SpecError, match=r"gives sample weights, and Squares\(.*\) takes none: give its __call__"):
        simulate(network(MOMENTUM), weighted, batch_size=BATCH_SIZE, loss=Squares())
