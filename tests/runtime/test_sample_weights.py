"""Sample weights from the data to the reports: in arrays, streams, validation, class weights and labels to ignore."""

from dataclasses import dataclass
from fractions import Fraction

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.datasets import load_iris

from akkordeon_dask import Gate, Network, Sentinel, data, nn, optim
from akkordeon_dask.actors.sentinel._source_checks import SourceChecks
from akkordeon_dask.errors import DataError, SpecError
from akkordeon_dask.tree import paths
from tests.support.for_each import for_each
from tests.support.patience import PATIENCE
from tests.support.small_networks import NETWORK, equal, numbers

X, Y = numbers()
WEIGHTS = np.random.default_rng(0).random(len(X))


@dataclass(frozen=True, repr=False)
class Quarters(nn.Initializer):
    """Multiples of 1/4 in [-1, 1]: numbers of few bits."""

    def __call__(self, rng, shape, dtype=np.float32):
        return (rng.integers(-4, 5, shape) / 4).astype(dtype)


# Sums of floats depend on their order, which BLAS chooses by the number of rows: in general, a row of weight 2 and a
# row that is written twice differ in the last bits. They are equal bit for bit where no sum and no product is rounded.
# So here all numbers have few bits: flowers in whole centimetres, first weights of quarters, a learning rate and a sum
# of weights that are powers of two, and so few updates that all results fit into the 53 bits of float64.
RATE = optim.SGD(2**-6)
FLOWERS, SPECIES = load_iris(return_X_y=True)
FLOWERS, SPECIES = np.round(FLOWERS)[25:121], SPECIES[25:121, None].astype(np.float64)
TWICE = np.arange(96) < 32


def quarters(inputs, outputs):
    return nn.Linear(inputs, outputs, initializer=Quarters())


ONE = Network([Gate(quarters(4, 1), RATE, dtype="float64")])
TWO = Gate(quarters(4, 3) >> nn.ReLU(), RATE, dtype="float64") | Gate(quarters(3, 1), RATE, dtype="float64")


def trained(user, network, epochs, x, y, weights=None):
    """In batches of all rows: the parameters, and what the passes report."""
    return trained_with(user, network, epochs, data.arrays(x, y, weights, shuffle=False), len(x))


def trained_with(user, network, epochs, provider, rows):
    loss, scores = nn.MeanSquaredError(), [nn.MSE()]
    with user.deploy(network, seed=6) as running:
        sentinel = Sentinel.train(provider, batch_size=rows, concurrency=1, loss=loss, scores=scores, name="tdp")
        running.attach(sentinel, epochs=epochs)
        running.wait(timeout=PATIENCE)
        return running.parameters(), [(one.loss, one.scores["mse"]) for one in running.history]


@pytest.mark.parametrize(("network", "epochs"), [(ONE, 2), (TWO, 1)], ids=["one gate", "two gates"])
def test_a_weight_of_2_is_a_row_written_twice_bit_for_bit(user, network, epochs):
    weighted, its = trained(user, network, epochs, FLOWERS, SPECIES, 1 + TWICE)
    both = np.r_[FLOWERS, FLOWERS[TWICE]], np.r_[SPECIES, SPECIES[TWICE]]
    written, theirs = trained(user, network, epochs, *both)
    assert equal(weighted, written)
    assert its == theirs
    assert not equal(weighted, trained(user, network, epochs, FLOWERS, SPECIES)[0])
    if network is ONE:
        assert of_gate(weighted) == without_rounding(*of_gate(network.init(6)), *both, epochs)


def test_weights_of_a_collection_are_those_of_arrays_bit_for_bit(user):
    whole = (da.from_array(one, chunks=one.shape) for one in (FLOWERS, SPECIES, 1 + TWICE))
    lazy = data.from_dask(*whole, shuffle_buffer=0)
    found, its = trained_with(user, ONE, 2, lazy, len(FLOWERS))
    expected, theirs = trained(user, ONE, 2, FLOWERS, SPECIES, 1 + TWICE)
    assert equal(found, expected)
    assert its == theirs


def of_gate(parameters):
    """The numbers of the only gate, exactly: weights and bias."""
    found = {path.rpartition(".")[2]: array for path, array in paths(parameters)}
    return [Fraction(one) for one in found["w"][:, 0].tolist()], Fraction(found["b"].item())


def without_rounding(w, b, x, y, epochs):
    """Weights and bias after so many updates, in rational numbers."""
    rows = [([Fraction(one) for one in row.tolist()], Fraction(t.item())) for row, t in zip(x, y, strict=True)]
    scale = Fraction(2, len(rows)) * Fraction(RATE.lr)
    for _ in range(epochs):
        errors = [sum(p * q for p, q in zip(w, row, strict=True)) + b - t for row, t in rows]
        w = [p - scale * sum(e * row[k] for e, (row, _) in zip(errors, rows, strict=True)) for k, p in enumerate(w)]
        b -= scale * sum(errors)
    return w, b


def weighted_batches():
    for start in range(0, len(X), 16):
        part = slice(start, start + 16)
        yield X[part], Y[part], WEIGHTS[part]


ARRAYS = data.arrays(X, Y, WEIGHTS, shuffle=False)


@for_each("provider", [ARRAYS, data.stream(weighted_batches), list(weighted_batches())])
@for_each("concurrency", [1, 3])
def test_loss_and_scores_of_a_pass_are_weighted_whatever_carries_the_weights(running, provider, concurrency):
    scores = [nn.Accuracy(), nn.F1(), nn.LogLoss()]
    report = running.evaluate(Sentinel.test(provider, batch_size=16, concurrency=concurrency, scores=scores))
    outputs = running.predict(X)
    found, said = outputs.argmax(axis=1), np.exp(outputs.astype(np.float64))
    said /= said.sum(axis=1, keepdims=True)
    assert report.samples == len(X)
    assert report.loss == pytest.approx(metrics.log_loss(Y, said, sample_weight=WEIGHTS), rel=1e-5)
    assert report.scores["log_loss"] == pytest.approx(metrics.log_loss(Y, said, sample_weight=WEIGHTS), rel=1e-9)
    assert report.scores["accuracy"] == pytest.approx(metrics.accuracy_score(Y, found, sample_weight=WEIGHTS), rel=1e-9)
    f1 = metrics.f1_score(Y, found, average="macro", sample_weight=WEIGHTS)
    assert report.scores["f1"] == pytest.approx(f1, rel=1e-9)


def test_a_sample_of_weight_0_changes_nothing(user):
    odd = np.arange(len(X)) % 2
    halves = [(X[odd == 1], Y[odd == 1])], [(X, np.where(odd, Y, 2 - Y), odd)]
    losses, parameters = [], []
    for batches in halves:
        with user.deploy(NETWORK, seed=3) as running:
            running.attach(Sentinel.train(batches, concurrency=1, name="tdp"), epochs=3)
            running.wait(timeout=PATIENCE)
            losses.append([(one.loss, one.scores["accuracy"]) for one in running.history])
            parameters.append(running.parameters())
    assert losses[0] == [pytest.approx(one, rel=1e-5) for one in losses[1]]
    for name in NETWORK.named().names:
        for (_, one), (_, other) in zip(paths(parameters[0][name]), paths(parameters[1][name]), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@for_each("class_weight", [{0: 1, 1: 3, 2: 0.5}, (1, 3, 0.5), {1: 3.0, 2: 0.5}])
def test_class_weights_are_sample_weights_in_the_loss_alone(running, class_weight):
    its = np.array([1, 3, 0.5])[Y]
    plain = running.evaluate(Sentinel.test(data.arrays(X, Y), batch_size=16))
    by_class = running.evaluate(Sentinel.test(data.arrays(X, Y), batch_size=16, class_weight=class_weight))
    by_sample = running.evaluate(Sentinel.test(data.arrays(X, Y, its), batch_size=16))
    assert by_class.loss == pytest.approx(by_sample.loss, rel=1e-6)
    assert by_class.loss != pytest.approx(plain.loss, rel=1e-3)
    assert by_class.scores == plain.scores
    both = running.evaluate(Sentinel.test(data.arrays(X, Y, 1 / its), batch_size=16, class_weight=class_weight))
    assert both.loss == pytest.approx(plain.loss, rel=1e-6)


@for_each(
    "bad, words",
    [
        ({}, "class_weight is a mapping like"),
        (3, "class_weight is a mapping like"),
        ("balanced", "class_weight is a mapping like .*'balanced'"),
        ([0, 0.0], r"class_weight=\[0, 0.0\]: all labels weigh 0"),
        ({0: -1}, "a weight of class_weight is a finite number of at least 0, not -1"),
        ({"a": 1}, "a label of class_weight is a whole number of at least 0"),
        (pd.Series({1: 0.5, 0: 5.0}), r"one number for each label, not 1 .*: of a Series write \.to_dict\(\)$"),
        ({1, 2}, r"one number for each label, not \{1, 2\}$"),
    ],
)
def test_class_weights_that_are_none_are_refused(bad, words):
    with pytest.raises(SpecError, match=f"(?s){words}"):
        Sentinel.train(data.arrays(X, Y), class_weight=bad)


def test_a_label_to_ignore_needs_no_class_weight(running):
    labels = np.where(np.arange(len(Y)) % 4, Y, 255)
    sentinels = (
        Sentinel.test(
            data.arrays(X, labels), batch_size=16, loss=nn.SoftmaxCrossEntropy(ignore_index=255), class_weight=weights
        )
        for weights in ((1, 3, 0.5), {0: 1, 1: 3, 2: 0.5})
    )
    by_place, by_label = (running.evaluate(one) for one in sentinels)
    assert by_place.loss == pytest.approx(by_label.loss, rel=1e-12)


def test_class_weights_are_for_labels():
    with pytest.raises(SpecError, match=r"nn\.MeanSquaredError\(\) takes no labels: leave class_weight out"):
        Sentinel.train(data.arrays(X, Y), class_weight={0: 2}, loss=nn.MeanSquaredError())
    with pytest.raises(SpecError, match=r"Plain\(\) has no argument weights"):
        Sentinel.train(data.arrays(X, Y), class_weight={0: 2}, loss=Plain())


def test_a_label_without_a_weight_is_named(running):
    with pytest.raises(DataError, match=r"class_weight=\(1, 2\) has no weight for label 2"):
        running.evaluate(Sentinel.test(data.arrays(X, Y), batch_size=64, class_weight=[1, 2]))


@dataclass(frozen=True, repr=False)
class Plain(nn.Loss):
    """A user's loss that knows no weights."""

    def __call__(self, y, target, *, need_dy=True):
        return nn.SoftmaxCrossEntropy()(y, target, need_dy=need_dy)


@dataclass(frozen=True, repr=False)
class Counts(nn.Score):
    """A user's score that knows no weights, and is no mean."""

    name = "counts"

    def update(self, y, target):
        return (len(y),)

    def result(self, state):
        return state[0]


@for_each("options, name", [({"loss": Plain()}, r"Plain\(\)"), ({"scores": [Counts()]}, r"Counts\(\)")])
def test_a_loss_or_score_without_weights_refuses_data_that_have_some_and_takes_others(running, options, name):
    assert running.evaluate(Sentinel.test(data.arrays(X, Y), batch_size=16, **options)).samples == len(X)
    with pytest.raises(SpecError, match=rf"gives sample weights, and {name} takes none: give its .* weights=None"):
        running.evaluate(Sentinel.test(data.arrays(X, Y, WEIGHTS), batch_size=16, **options))


def test_weights_need_no_labels_to_predict_with_and_travel_through_augmentation():
    images, labels = np.zeros((8, 4, 4), np.uint8), np.arange(8)
    moved = data.augment(data.arrays(images, labels, labels / 8, shuffle=False), shift=1)
    (batch,) = moved.open().batches(1, 8)
    assert batch[2].tolist() == (labels / 8).tolist()


@for_each(
    "weights, words",
    [
        (np.ones(63), r"weights have shape \(63,\), and there are 64 samples"),
        (np.ones((64, 1)), r"weights have shape \(64, 1\)"),
        (np.r_[np.ones(63), -1], r"weights: -1\.0 of sample 63 is no weight"),
        (np.r_[np.inf, np.ones(63)], r"weights: inf of sample 0 is no weight"),
        (["a"] * 64, "weights holds <U1"),
        (np.zeros(64), "weights are all 0"),
    ],
)
def test_weights_that_are_none_are_refused(weights, words):
    with pytest.raises(DataError, match=words):
        data.arrays(X, Y, weights)


def test_a_provider_with_weights_is_another_one_and_says_so():
    plain, weighted = data.arrays(X, Y), data.arrays(X, Y, WEIGHTS)
    assert plain != weighted
    assert weighted == data.arrays(X, Y, WEIGHTS.copy())
    assert repr(weighted) == "data.arrays(<(64, 6) float32>, <(64,) int64>, weights=<(64,) float64>)"


def test_labels_over_positions_train_and_those_to_ignore_count_in_nothing(user):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 6)).astype(np.float32)
    labels = np.stack([(x[:, k] > 0) * 1 for k in range(4)], axis=1)
    labels[:, 3] = -100
    network = Gate(nn.Linear(6, 8) >> nn.Reshape((2, 4)), optim.Adam(0.05))
    loss = nn.SoftmaxCrossEntropy(ignore_index=-100)
    with user.deploy(network, seed=1) as running:
        running.attach(Sentinel.train(data.arrays(x, labels), batch_size=8, concurrency=1, loss=loss), epochs=40)
        running.wait(timeout=PATIENCE)
        report = running.evaluate(Sentinel.test(data.arrays(x, labels), batch_size=5, loss=loss))
        outputs = running.predict(x)
    assert report.samples == 32
    assert report.scores["accuracy"] == pytest.approx(np.mean(outputs.argmax(axis=1)[:, :3] == labels[:, :3]))
    assert report.scores["accuracy"] > 0.9
    assert report.loss == pytest.approx(nn.SoftmaxCrossEntropy()(outputs[..., :3], labels[:, :3])[0], rel=1e-5)


def test_a_resumed_pass_has_the_weights_of_its_first_part():
    from akkordeon_dask.actors.sentinel._in_flight import BatchInFlight
    from akkordeon_dask.actors.sentinel._passes import Passes
    from akkordeon_dask.actors.sentinel._position import Position

    sentinel = Sentinel.train(data.arrays(X, Y, WEIGHTS), batch_size=32, scores=[], epochs=1)
    first, second = Passes(sentinel), Passes(sentinel)
    first.begin(0.0)
    assert first.draw()[1] == 0
    first.complete(BatchInFlight(1, 0, X[:32], Y[:32], opening=False, loss=3.0, weight=4.0))
    second.resume(Position.from_dict(first.position(1.0).as_dict()), 1.0)
    second.begin(1.0)
    for _ in range(2):
        second.draw()
    second.stop_drawing()
    second.complete(BatchInFlight(1, 1, X[32:], Y[32:], opening=False, loss=9.0, weight=2.0))
    (report,) = second.report("tdp", 2.0)
    assert report.loss == pytest.approx(5.0)
    assert report.samples == 64


@for_each("class_weight", [{1: 2.0, 3: 5.0}, [1.0, 1.0, 2.0, 2.0]])
def test_a_weight_of_a_label_that_the_network_does_not_have_is_refused(class_weight):
    sentinel = Sentinel.train(data.arrays(*numbers()), class_weight=class_weight)
    checks = SourceChecks(sentinel, "train0", NETWORK, data.ColumnNames())
    with pytest.raises(SpecError, match="class_weight has a weight for label 3, and the network 3 outputs"):
        checks.open_source()
