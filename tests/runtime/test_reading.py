"""The verbs that read: predict, evaluate, parameters, statistics."""

import dask
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from akkordeon_dask import Gate, Network, Sentinel, data, nn
from akkordeon_dask.errors import DataError, DeadlineError, ShapeError
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, SGD, HeldUp, equal, numbers, rating, three_gates, train


@threadpool_limits.wrap(limits=1, user_api="blas")  # as the gates have it: the number changes bits
def product(network, parameters, x):
    """The network's output, gate by gate, without actors."""
    for name, gate in zip(network.names, network, strict=True):
        x, _ = gate.chain.forward(parameters[name], x)
    return x


@pytest.mark.parametrize("batch_size", [1024, 100])
def test_predict_is_the_sequential_product(user, batch_size):
    x, _ = next(data.mnist_sample("test").open().batches(1, 200))
    with user.deploy(three_gates(), seed=11) as running:
        running.attach(Sentinel.train(data.mnist_sample("train", take=256), batch_size=64, epochs=2))
        running.wait(timeout=PATIENCE)
        y, parameters = running.predict(x, batch_size=batch_size), running.parameters()
    assert y.shape == (200, 10)
    for start in range(0, 200, batch_size):
        part = slice(start, start + batch_size)
        assert y[part].tobytes() == product(running.network, parameters, x[part]).tobytes()


def test_predict_works_while_it_trains_and_leaves_nothing_behind(running):
    x, _ = numbers(40)
    running.attach(train(name="tdp"))
    assert running.predict(x, batch_size=7).shape == (40, 3)
    assert set(running.sentinels) == {"tdp"}


def test_parameters_have_the_update_of_a_batch_that_has_completed(user):
    HeldUp.go.clear()
    network = Gate(nn.Linear(6, 5) >> nn.ReLU(), SGD) | Gate(nn.Linear(5, 3), HeldUp(0.05))
    with user.deploy(network) as running:
        first = running.network.init(0)
        running.attach(train(16, epochs=1))
        running.wait(timeout=PATIENCE)  # the batch is home; the last gate is about to update
        with dask.config.set({"akkordeon.timeouts.control": "200ms"}), pytest.raises(DeadlineError):
            running.parameters()
        HeldUp.go.set()
        assert not equal(running.parameters()["g1"], first["g1"])


def test_one_sample_is_a_batch_too(running):
    x, _ = numbers(1)
    assert running.predict(x).tobytes() == product(NETWORK, running.parameters(), x).tobytes()
    assert running.predict(x.tolist()).shape == (1, 3)


@for_each(
    "x, error, text",
    [
        (np.zeros((4, 7), np.float32), ShapeError, "gate 'g0' cannot work on 7 features: .*takes 6 features"),
        (np.zeros((4, 6), np.uint8), ShapeError, r"gate 'g0' .*not uint8: put nn\.Scale"),
        (np.zeros((0, 6), np.float32), DataError, "no samples"),
        (np.float32(3), DataError, "x"),
        (np.array(["six"]), DataError, "x"),
        (data.mnist_sample("test"), DataError, r"not the provider data\.mnist_sample\(.*Sentinel\.test\(provider"),
    ],
)
def test_predict_refuses_what_the_network_does_not_take(running, x, error, text):
    with pytest.raises(error, match=text):
        running.predict(x)
    assert running.sentinels == {}
    assert running.predict(numbers()[0]).shape == (64, 3)


def test_evaluate_is_one_pass_of_a_test_sentinel(running):
    x, y = numbers()
    report, outputs = running.evaluate(rating(scores=[nn.Accuracy(), nn.TopK(2)])), running.predict(x)
    assert (report.mode, report.epoch, report.samples, report.lost) == ("test", 1, 64, 0)
    assert report.scores["accuracy"] == (outputs.argmax(1) == y).mean()
    assert report.loss == pytest.approx(nn.SoftmaxCrossEntropy()(outputs, y)[0], rel=1e-5)
    assert running.sentinels == {} and running.history == (report,)
    assert running.statistics()["g0"].version == 0


def fitted(x, y, **options):
    return Sentinel.test(data.arrays(x, y), **{"loss": nn.MeanSquaredError(), "batch_size": 32} | options)


def test_a_regression_as_first_written_has_one_r2_whatever_the_batch_size(running):
    x = numbers()[0]
    y = 20_220_000 + x[:, :3].astype(np.float64)
    source = data.arrays(x, y - 20_220_000)
    running.attach(Sentinel.train(source, loss=nn.MeanSquaredError(), epochs=1, batch_size=16))
    running.wait(epochs=1)
    assert list(running.history[-1].scores) == ["r2"]
    outputs = running.predict(x)
    expected = np.mean([1 - np.sum((y - outputs) ** 2, 0) / np.sum((y - y.mean(0)) ** 2, 0)])
    for batch_size in (1, 7, 64):
        report = running.evaluate(fitted(x, y, batch_size=batch_size))
        assert report.scores == {"r2": pytest.approx(expected, rel=1e-6)}


def test_targets_that_do_not_fit_are_an_error_with_the_remedy(running):
    x, y = numbers()
    with pytest.raises(DataError, match=r"SquaredError\(\) takes .*: give .* one output and write y\[:, None\]"):
        running.evaluate(fitted(x, y / 1))
    for labels in (np.eye(3)[y], y / 1):
        with pytest.raises(DataError, match=r"SoftmaxCrossEntropy\(\) takes one whole number .*: write y\."):
            running.evaluate(fitted(x, labels, loss=nn.SoftmaxCrossEntropy()))
    assert running.evaluate(fitted(x, y > 0, loss=nn.SoftmaxCrossEntropy())).samples == 64


def test_float16_in_front_of_batch_norm_trains(user):
    x = np.random.default_rng(0).uniform(-6e4, 6e4, (64, 6)).astype(np.float16)
    y = (x[:, 0] > 0).astype(np.int64)
    network = Gate(nn.BatchNorm1d(6) >> nn.Linear(6, 5) >> nn.GELU(), SGD) | Gate(nn.Linear(5, 2), SGD)
    with user.deploy(network) as running:
        running.attach(Sentinel.train(data.arrays(x, y, seed=0), epochs=20, batch_size=16))
        running.wait(epochs=20)
        assert running.history[-1].scores["accuracy"] > 0.9
        assert np.isfinite(running.predict(x)).all()


def test_parameters_begin_as_the_spec_initializes_them(user):
    for seed in (0, 42):
        with user.deploy(NETWORK, seed=seed) as running:
            assert equal(running.parameters(), NETWORK.init(seed))


def test_parameters_once_given_never_change(running):
    before = running.parameters()
    copies = [leaf.copy() for leaf in leaves(before)]
    running.attach(train(epochs=2))
    running.wait(timeout=PATIENCE)
    assert all(map(np.array_equal, leaves(before), copies))
    assert not equal(before, running.parameters())


def test_statistics_add_up(user):
    with user.deploy(NETWORK) as running:
        running.attach(train(epochs=3, concurrency=1, name="tdp"))
        running.wait(timeout=PATIENCE)
        running.evaluate(rating())
        seen = running.statistics()
    assert set(seen) == {"g0", "g1", "tdp"}
    for gate in (seen["g0"], seen["g1"]):
        assert gate.counts.forwards == gate.counts.updates == gate.version == 12
        assert gate.counts.samples == 3 * 64 and gate.counts.evaluated == 64
        assert gate.counts.delays == {0: 12} and gate.counts.dropped == {}
        assert gate.contexts == 0 and gate.mailbox.waiting == 0 and gate.mailbox.peak >= 1
        assert gate.worker == running.placement[gate.gate]
    assert (seen["tdp"].state, seen["tdp"].in_flight, seen["tdp"].credits) == ("resting", 0, 1)


def test_a_running_network_shows_its_gates_and_state(user):
    gate = Gate(nn.Linear(6, 3), SGD, name="only")
    with user.deploy(gate, name="said") as running:
        assert running.network == Network([gate])
        assert running.name == "said" and running.client is user.client and running.owner
        assert repr(running.plain) == "<Running 'said': 1 gates, 0 sentinels>"
        assert list(running.placement) == ["only"]
