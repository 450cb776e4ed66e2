"""Sample weights in losses and scores: a weight of n is n equal rows, and a weight of 0 is none."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics

from akkordeon_dask import nn
from akkordeon_dask.errors import DataError

bounded = settings(max_examples=25, deadline=None, derandomize=True)
LABELLED = [nn.SoftmaxCrossEntropy(), nn.SoftmaxCrossEntropy(0.2), nn.Hinge()]
LOSSES = [
    *LABELLED,
    nn.MeanSquaredError(),
    nn.BinaryCrossEntropyWithLogits(),
    nn.MeanAbsoluteError(),
    nn.Huber(0.7),
    nn.PoissonNLL(),
]
OF_LABELS = [
    nn.Accuracy(),
    nn.TopK(2),
    nn.LogLoss(),
    nn.F1(),
    nn.Precision(),
    nn.Recall("micro"),
    nn.F1(label=1),
    nn.BalancedAccuracy(),
    nn.ROCAUC(),
]
SCORES = [*OF_LABELS, nn.R2(), nn.MSE(), nn.RMSE(), nn.MAE(), nn.BinaryAccuracy()]


def problem(of_labels, samples, seed, outputs=3):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(samples, outputs))
    target = rng.integers(0, outputs, samples) if of_labels else rng.random((samples, outputs))
    return y, target, rng


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@bounded
@given(st.integers(1, 9), st.integers(0, 999))
def test_a_weight_of_n_is_the_row_n_times(loss, samples, seed):
    y, target, rng = problem(loss in LABELLED, samples, seed)
    times = rng.integers(0, 4, samples)
    times[0] += 1
    weighted, dy = loss(y, target, weights=times.astype(float))
    written, dy_written = loss(np.repeat(y, times, axis=0), np.repeat(target, times, axis=0))
    assert_allclose(weighted, written, rtol=1e-12)
    summed = np.zeros_like(y)
    np.add.at(summed, np.repeat(np.arange(samples), times), dy_written)
    assert_allclose(dy, summed, rtol=1e-12, atol=1e-15)
    assert loss.total_weight(target, times.astype(float)) == times.sum()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_weights_that_are_all_alike_change_nothing_and_those_that_are_all_0_leave_nothing(loss):
    y, target, _ = problem(loss in LABELLED, 8, 0)
    plain, dy = loss(y, target)
    for weight in (1.0, 0.25):
        same, dy_same = loss(y, target, weights=np.full(8, weight))
        assert_allclose(same, plain, rtol=1e-13)
        assert_allclose(dy_same, dy, rtol=1e-13)
    nothing, dy_nothing = loss(y, target, weights=np.zeros(8))
    assert nothing == 0
    assert not dy_nothing.any()
    with pytest.raises(DataError, match=r"the weights have shape \(3,\), the outputs \(8"):
        loss(y, target, weights=np.ones(3))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_gradient_of_float32_outputs_is_float32_with_weights_too(loss):
    y, target, rng = problem(loss in LABELLED, 8, 0)
    value, dy = loss(y.astype(np.float32), target, weights=rng.random(8))
    assert type(value) is float
    assert dy.dtype == np.float32


@pytest.mark.parametrize("score", SCORES, ids=repr)
@bounded
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 999))
def test_a_pass_has_one_score_whatever_its_batches_also_with_weights(score, sizes, seed):
    y, target, rng = problem(score in OF_LABELS, sum(sizes), seed)
    times = rng.integers(1, 4, len(y))
    whole = score.result(score.update(np.repeat(y, times, axis=0), np.repeat(target, times, axis=0)))
    ends = np.cumsum(sizes)
    parts = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    rng.shuffle(parts)
    states = [score.update(y[part], target[part], times[part].astype(float)) for part in parts]
    if isinstance(score, nn.R2) and len(y) < 2:
        return  # one sample is one, whatever it weighs
    assert score.result(reduce(score.merge, states)) == pytest.approx(whole, rel=1e-9, nan_ok=True)


SKLEARN = [
    (nn.Accuracy(), lambda t, y, w: metrics.accuracy_score(t, y.argmax(1), sample_weight=w)),
    (nn.TopK(2), lambda t, y, w: metrics.top_k_accuracy_score(t, y, k=2, sample_weight=w)),
    (nn.F1(), lambda t, y, w: metrics.f1_score(t, y.argmax(1), average="macro", sample_weight=w)),
    (nn.F1("micro"), lambda t, y, w: metrics.f1_score(t, y.argmax(1), average="micro", sample_weight=w)),
    (nn.Precision(), lambda t, y, w: metrics.precision_score(t, y.argmax(1), average="macro", sample_weight=w)),
    (nn.Recall(), lambda t, y, w: metrics.recall_score(t, y.argmax(1), average="macro", sample_weight=w)),
    (nn.BalancedAccuracy(), lambda t, y, w: metrics.balanced_accuracy_score(t, y.argmax(1), sample_weight=w)),
    (nn.R2(), lambda t, y, w: metrics.r2_score(t, y, sample_weight=w)),
    (nn.MSE(), lambda t, y, w: metrics.mean_squared_error(t, y, sample_weight=w)),
    (nn.RMSE(), lambda t, y, w: metrics.root_mean_squared_error(t, y, sample_weight=w)),
    (nn.MAE(), lambda t, y, w: metrics.mean_absolute_error(t, y, sample_weight=w)),
]


@pytest.mark.parametrize(("score", "reference"), SKLEARN, ids=[repr(score) for score, _ in SKLEARN])
@pytest.mark.parametrize("size", [2, 7, 64, 200])
def test_a_weighted_score_is_scikit_learns(score, reference, size):
    y, target, rng = problem(score in [*OF_LABELS, nn.F1("micro"), nn.Recall()], 200, 0)
    weights = rng.random(200)
    parts = [slice(start, start + size) for start in range(0, 200, size)]
    state = reduce(score.merge, [score.update(y[part], target[part], weights[part]) for part in reversed(parts)])
    assert score.result(state) == pytest.approx(reference(target, y, weights), rel=1e-9)


class Halves(nn.Score):
    """A user's mean over samples."""

    name = "halves"

    def __call__(self, y, target):
        return float(np.mean(y[:, 0] > 0))


class Threes(nn.Accuracy):
    """A user's mean that derives from ours."""

    def __call__(self, y, target):
        return float(np.mean(target == 2))


def test_a_users_mean_is_weighted_sample_by_sample():
    y, target, rng = problem(True, 20, 0)
    weights = rng.random(20)
    for score, of_samples in ((Halves(), y[:, 0] > 0), (Threes(), target == 2)):
        assert score.takes_weights
        state = score.update(y, target, weights)
        assert score.result(state) == pytest.approx(np.average(of_samples, weights=weights), rel=1e-12)


POSITIONS = nn.SoftmaxCrossEntropy(ignore_index=-100)


def sequences(seed=0):
    """Of two samples, three classes and five positions, some of which have no label."""
    rng = np.random.default_rng(seed)
    y, target = rng.normal(size=(2, 3, 5)), rng.integers(0, 3, (2, 5))
    target[0, 3:] = -100
    return y, target


def test_cross_entropy_over_positions_is_that_of_the_rows_that_have_labels():
    y, target = sequences()
    rows, labels = y.transpose(0, 2, 1).reshape(-1, 3), target.ravel()
    kept = labels >= 0
    plain, dy_rows = nn.SoftmaxCrossEntropy()(rows[kept], labels[kept])
    loss, dy = POSITIONS(y, target)
    assert loss == plain
    assert dy.shape == y.shape
    assert_array_equal(dy.transpose(0, 2, 1).reshape(-1, 3)[kept], dy_rows)
    assert not dy.transpose(0, 2, 1).reshape(-1, 3)[~kept].any()
    assert POSITIONS.total_weight(target) == 8
    outputs, truth, weights = POSITIONS.scored(y, target)
    assert_array_equal(outputs, rows[kept])
    assert_array_equal(truth, labels[kept])
    assert weights is None
    assert POSITIONS(y, target, need_dy=False) == (loss, None)


def test_a_weight_of_a_sample_is_that_of_its_positions():
    y, target = sequences()
    weighted, dy = POSITIONS(y, target, weights=np.array([2.0, 1.0]))
    written, dy_written = POSITIONS(y[[0, 0, 1]], target[[0, 0, 1]])
    assert_allclose(weighted, written, rtol=1e-13)
    assert_allclose(dy, [dy_written[0] * 2, dy_written[2]], rtol=1e-13)
    assert POSITIONS.total_weight(target, np.array([2.0, 1.0])) == 11
    assert_array_equal(POSITIONS.scored(y, target, np.array([2.0, 0.0]))[2], [2, 2, 2])


def test_a_batch_without_any_label_has_no_weight():
    y, _ = sequences()
    nobody = np.full((2, 5), -100)
    loss, dy = POSITIONS(y, nobody)
    assert loss == POSITIONS.total_weight(nobody) == 0
    assert dy.shape == y.shape
    assert not dy.any()
    assert len(POSITIONS.scored(y, nobody)[0]) == 0


def test_samples_are_ignored_as_positions_are():
    y, target, _ = problem(True, 6, 1)
    ignoring = nn.SoftmaxCrossEntropy(ignore_index=2)
    kept = target != 2
    loss, dy = ignoring(y, target)
    plain, dy_kept = nn.SoftmaxCrossEntropy()(y[kept], target[kept])
    assert loss == plain
    assert_array_equal(dy[kept], dy_kept)
    assert not dy[~kept].any()
    none = np.full_like(target, 2)
    assert ignoring(y, none, need_dy=False) == (0, None)
    loss, dy = ignoring(y, none)
    assert (loss, dy.shape, dy.any()) == (0, y.shape, False)


def test_labels_that_do_not_fit_the_positions_are_refused():
    y, target = sequences()
    with pytest.raises(DataError, match=r"the labels have shape \(2, 4\), the outputs \(2, 3, 5\): give one label for"):
        POSITIONS(y, target[:, :4])
    with pytest.raises(DataError, match=r"label 3 is out of range"):
        nn.SoftmaxCrossEntropy()(y, np.full((2, 5), 3))
