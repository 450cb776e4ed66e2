"""Scores of a batch, and of a pass by its batches in any order."""

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from akkordeon_dask import nn
from akkordeon_dask.errors import DataError, ShapeError, SpecError
from tests.support.for_each import for_each

bounded = settings(max_examples=60, deadline=None, derandomize=True)


def test_scores_by_hand():
    y = np.array([[3, 2, 1, 0], [0, 1, 2, 3], [1, 3, 0, 2]], np.float32)
    target = np.array([0, 2, 0])
    assert nn.Accuracy()(y, target) == 1 / 3
    assert [nn.TopK(k)(y, target) for k in (1, 2, 3, 4)] == [1 / 3, 2 / 3, 1, 1]


def test_scores_are_named_as_in_reports():
    scores = nn.Accuracy(), nn.TopK(1), nn.TopK(5), nn.R2(), nn.RMSE(), nn.BinaryAccuracy()
    assert [score.name for score in scores] == ["accuracy", "top1", "top5", "r2", "rmse", "binary_accuracy"]


@bounded
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_the_best_of_one_is_accuracy_and_more_never_score_less(batch, classes, seed):
    rng = np.random.default_rng(seed)
    y, target = rng.integers(0, 3, (batch, classes)).astype(np.float32), rng.integers(0, classes, batch)
    scores = [nn.TopK(k)(y, target) for k in range(1, classes + 1)]
    assert scores[0] == nn.Accuracy()(y, target)
    assert scores == sorted(scores) and scores[-1] == 1


def test_constant_outputs_score_by_chance():
    assert nn.TopK(2)(np.zeros((10, 10)), np.arange(10)) == 0.2


def test_a_network_of_nan_scores_nothing():
    nothing = np.full((3, 3), math.nan)
    for score in (nn.TopK(2), nn.Accuracy(), nn.F1(), nn.Recall(average="micro"), nn.Precision(label=0)):
        assert score(nothing, np.arange(3)) == 0
        assert score.result(score.update(nothing, np.arange(3), np.ones(3))) == 0
    assert nn.Accuracy()(np.array([[math.nan, 1.0], [1.0, 0.0]]), np.zeros(2, int)) == 0.5


def test_more_than_there_are_outputs_is_refused():
    with pytest.raises(ShapeError, match=r"nn\.TopK\(5\) takes at least 5 outputs, not 3"):
        nn.TopK(5)(np.zeros((2, 3)), np.array([0, 1]))


def test_binary_accuracy_by_hand():
    y = np.array([[2.0], [-1.0], [0.0], [0.5], [math.nan], [math.nan]])
    target = np.array([[1], [0], [0], [0], [0], [1]])
    for kind in (np.int64, bool, np.float32):
        assert nn.BinaryAccuracy()(y, target.astype(kind)) == 0.5
    assert nn.BinaryAccuracy()(np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([[1, 1], [1, 1]])) == 0.75


def r2(y, target):
    """As the formula is written, of one output."""
    return 1 - np.sum((target - y) ** 2) / np.sum((target - target.mean()) ** 2)


def rmse(y, target):
    return math.sqrt(np.mean((target - y) ** 2))


REGRESSION = [(nn.R2(), r2), (nn.RMSE(), rmse)]


@pytest.mark.parametrize(("score", "formula"), REGRESSION, ids=["R2", "RMSE"])
def test_a_regression_score_of_several_outputs_is_the_mean_of_their_formulas(score, formula):
    rng = np.random.default_rng(0)
    y, target = rng.normal(size=(50, 3)), rng.normal(size=(50, 3)) * [1, 20, 0.1]
    each = [formula(y[:, index], target[:, index]) for index in range(3)]
    assert score(y, target) == pytest.approx(np.mean(each), rel=1e-12)
    assert score(y[:, 0], target[:, 0]) == pytest.approx(each[0], rel=1e-12)
    assert score(y.reshape(50, 1, 3), target.reshape(50, 1, 3)) == score(y, target)


def of_pass(score, y, target, sizes, seed=0):
    """The score of all samples by their batches, which complete in any order and pass through JSON."""
    ends = np.cumsum(sizes)
    batches = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True) if size]
    np.random.default_rng(seed).shuffle(batches)
    states = [score.update(y[batch], target[batch]) for batch in batches]
    return score.result(reduce(score.merge, states))


BY_CLASS = [
    *(
        kind(**options)
        for kind in (nn.F1, nn.Precision, nn.Recall)
        for options in ({}, {"average": "micro"}, {"label": 1})
    ),
    nn.BalancedAccuracy(),
]
LABELS = [nn.Accuracy(), nn.TopK(2), nn.LogLoss(), nn.ROCAUC(), *BY_CLASS]
ALL = [nn.R2(), nn.RMSE(), nn.MSE(), nn.MAE(), nn.BinaryAccuracy(), *LABELS]


@pytest.mark.parametrize("score", ALL, ids=repr)
@bounded
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 999))
def test_a_pass_has_one_score_whatever_its_batches_and_their_order(score, sizes, seed):
    rng, samples = np.random.default_rng(seed), sum(sizes)
    y = rng.normal(size=(samples, 3)).astype(np.float32)
    target = rng.integers(0, 3, samples) if score in LABELS else rng.random((samples, 3))
    whole = score(y, target)
    assert of_pass(score, y, target, sizes, seed) == pytest.approx(whole, rel=1e-9, nan_ok=True)


@for_each("dtype", [np.float64, np.int64])
@for_each("sizes", [[1000], [7] * 142 + [6], [1] * 1000])
def test_targets_that_are_large_and_differ_little_have_their_r2(dtype, sizes):
    rng = np.random.default_rng(0)
    target = np.round(20_220_000 + rng.normal(size=(1000, 1)) * (1 if dtype is np.float64 else 3)).astype(dtype)
    y = target + rng.normal(size=(1000, 1))
    expected = r2(y - 20_220_000.0, target - 20_220_000.0)
    assert of_pass(nn.R2(), y, target, sizes) == pytest.approx(expected, rel=1e-6)


@for_each("constant", [0.0, 0.1, 1e9 + 0.1, 7])
@for_each("sizes", [[10], [3, 3, 4], [1] * 10])
def test_targets_that_are_all_the_same_have_r2_1_where_they_are_met_and_else_0(constant, sizes):
    target = np.full((10, 1), constant)
    assert of_pass(nn.R2(), target * 1.0, target, sizes) == 1
    assert of_pass(nn.R2(), target + 0.5, target, sizes) == 0


def test_r2_of_one_sample_is_not_known():
    assert math.isnan(nn.R2()(np.ones((1, 2)), np.ones((1, 2))))


def test_scores_of_float16_and_of_large_numbers_do_not_overflow():
    y, target = np.full((5000, 1), 6e4, np.float16), np.full((5000, 1), -6e4)
    assert nn.RMSE()(y, target) == pytest.approx(1.2e5, rel=1e-3)
    assert nn.RMSE()(np.full((9, 1), 1e30, np.float32), np.zeros((9, 1))) == pytest.approx(1e30, rel=1e-6)


@dataclass(frozen=True, repr=False)
class F1(nn.Score):
    """Three counts, merged by the default."""

    @property
    def name(self):
        return "f1"

    def update(self, y, target):
        said, true = y > 0, target > 0.5
        return np.array([(said & true).sum(), said.sum(), true.sum()])

    def result(self, state):
        both, said, true = state
        return 2 * both / (said + true)


@dataclass(frozen=True, repr=False)
class Own(nn.Score):
    """As scores were written before there were states."""

    name = "own"

    def __call__(self, y, target):
        return np.float32(np.abs(y - target).mean())


def test_a_score_of_ones_own_may_count_or_be_a_mean():
    rng = np.random.default_rng(0)
    y, target = rng.normal(size=(40, 1)), rng.integers(0, 2, (40, 1))
    said, true = y > 0, target > 0.5
    whole = 2 * (said & true).sum() / (said.sum() + true.sum())
    assert of_pass(F1(), y, target, [1, 9, 10, 20]) == F1()(y, target) == whole
    assert of_pass(Own(), y, target, [1, 9, 10, 20]) == pytest.approx(np.abs(y - target).mean(), rel=1e-6)


def test_a_mean_over_no_samples_is_not_known():
    assert math.isnan(nn.Accuracy().result((0.0, 0)))


def test_a_score_that_says_nothing_of_a_batch_is_none():
    class Nothing(nn.Score):
        name = "nothing"

    with pytest.raises(SpecError, match="Nothing is no score yet: override __call__, or update, merge and result"):
        Nothing()


def peer(score):
    """scikit-learn's function of (targets, classes found)."""
    if isinstance(score, nn.BalancedAccuracy):
        return metrics.balanced_accuracy_score
    of = {nn.F1: metrics.f1_score, nn.Precision: metrics.precision_score, nn.Recall: metrics.recall_score}[type(score)]
    if score.label is None:
        return lambda truth, found: of(truth, found, average=score.average, zero_division=0)
    return lambda truth, found: of(truth, found, labels=[score.label], average=None, zero_division=0)[0]


@pytest.mark.parametrize("score", BY_CLASS, ids=repr)
@bounded
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(2, 5), st.integers(0, 999))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_scores_of_classes_are_scikit_learns(score, sizes, classes, seed):
    rng, samples = np.random.default_rng(seed), sum(sizes)
    y, target = rng.normal(size=(samples, classes)), rng.integers(0, classes, samples)
    assert of_pass(score, y, target, sizes, seed) == pytest.approx(peer(score)(target, y.argmax(axis=1)), rel=1e-9)


@bounded
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 999))
def test_yes_and_no_are_two_classes(sizes, seed):
    rng, samples = np.random.default_rng(seed), sum(sizes)
    y, target = rng.normal(size=(samples, 1)).astype(np.float32), rng.random((samples, 1)) > 0.4
    assert of_pass(nn.F1(label=1), y, target, sizes) == pytest.approx(metrics.f1_score(target, y > 0, zero_division=0))
    said = np.column_stack([1 / (1 + np.exp(y.astype(float))), 1 / (1 + np.exp(-y.astype(float)))])
    loss = metrics.log_loss(target, said, labels=[False, True])
    assert of_pass(nn.LogLoss(), y, target, sizes) == pytest.approx(loss, rel=1e-9)


@bounded
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 999))
def test_the_log_loss_and_the_errors_are_scikit_learns(sizes, seed):
    rng, samples = np.random.default_rng(seed), sum(sizes)
    y, target = rng.normal(size=(samples, 3)).astype(np.float32), rng.integers(0, 3, samples)
    p = np.exp(y.astype(float)) / np.exp(y.astype(float)).sum(axis=1, keepdims=True)
    expected = metrics.log_loss(target, p, labels=[0, 1, 2])
    assert of_pass(nn.LogLoss(), y, target, sizes) == pytest.approx(expected, rel=1e-9)
    numbers = rng.normal(size=(samples, 3))
    for score, of in ((nn.MSE(), metrics.mean_squared_error), (nn.MAE(), metrics.mean_absolute_error)):
        assert of_pass(score, y, numbers, sizes) == pytest.approx(of(numbers, y), rel=1e-9)


def test_a_network_of_nan_is_wrong_about_yes_and_no():
    target = np.array([[1], [0]])
    assert nn.F1(average="micro")(np.full((2, 1), math.nan), target) == 0


def test_a_score_of_a_class_that_is_not_there_is_refused():
    with pytest.raises(DataError, match=r"nn\.F1\(label=3\) scores class 3, the classes go from 0 to 2"):
        nn.F1(label=3)(np.zeros((2, 3)), np.array([0, 1]))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.F1("weighted"), r"average is 'macro' or 'micro', not 'weighted'"),
        (lambda: nn.Recall(label=-1), r"label is a whole number of at least 0, not -1"),
        (lambda: nn.F1(label=1, average="micro"), r"one class alone has no average: leave out label or average"),
        (lambda: nn.BalancedAccuracy(label=1), r"is of all classes: write nn\.Recall for one"),
    ],
)
def test_a_score_of_classes_that_makes_no_sense_is_refused(make, said):
    with pytest.raises(SpecError, match=said):
        make()


def test_two_ways_to_count_classes_have_two_names():
    names = [nn.F1().name, nn.F1("micro").name, nn.F1(label=1).name, nn.BalancedAccuracy().name]
    assert names == ["f1", "f1_micro", "f1_of_1", "balanced_accuracy"]


def test_the_area_of_yes_or_no_outputs_is_scikit_learns_and_of_several_their_mean():
    rng = np.random.default_rng(0)
    y, target = rng.integers(0, 9, (40, 3)) / 4, rng.random((40, 3)) > 0.4
    assert nn.ROCAUC()(y, target) == pytest.approx(metrics.roc_auc_score(target, y), rel=1e-12)
    assert nn.ROCAUC()(y[:, :1], target[:, :1]) == pytest.approx(
        metrics.roc_auc_score(target[:, 0], y[:, 0]), rel=1e-12
    )


def test_the_records_of_a_thousand_batches_are_few_pieces_that_hold_all_of_them():
    rng = np.random.default_rng(0)
    y, target = rng.normal(size=(5000, 2)), rng.integers(0, 2, 5000)
    score = nn.ROCAUC()
    states = [score.update(y[some], target[some]) for some in np.array_split(np.arange(5000), 1000)]
    state = reduce(score.merge, states)
    assert max(map(len, state)) <= 10  # joined one by one, half a million records would be copied
    assert score.result(state) == score(y, target)
    assert score.result(tuple(map(b"".join, state))) == score(y, target)  # as former versions wrote it


def test_an_area_without_pairs_is_not_known_and_left_out_of_a_mean():
    y = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [2.0, 2.0, 1.0]])
    assert math.isnan(nn.ROCAUC()(y[:, :2], np.array([1, 1, 1])))
    assert math.isnan(nn.ROCAUC()(np.array([[math.nan, 0.0], [0.0, 1.0]]), np.array([0, 1])))
    p = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    areas = [metrics.roc_auc_score(labels, p[:, k]) for k, labels in enumerate(([1, 0, 0], [0, 1, 1]))]
    assert nn.ROCAUC()(y, np.array([0, 1, 1])) == pytest.approx(np.mean(areas), rel=1e-12)
