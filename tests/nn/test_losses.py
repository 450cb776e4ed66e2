"""Losses against finite differences and against formulas written out again."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from akkordeon_dask import nn
from akkordeon_dask.errors import DataError
from tests.support.for_each import for_each

pytestmark = pytest.mark.usefixtures("memory_of_layers")
bounded = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SOFTMAX, SQUARED, BINARY = nn.SoftmaxCrossEntropy(), nn.MeanSquaredError(), nn.BinaryCrossEntropyWithLogits()
SMOOTHED, HINGE = nn.SoftmaxCrossEntropy(label_smoothing=0.2), nn.Hinge()
ABSOLUTE, HUBER, POISSON = nn.MeanAbsoluteError(), nn.Huber(1.5), nn.PoissonNLL()
LABELLED = [SOFTMAX, SMOOTHED, HINGE]
LOSSES = [*LABELLED, SQUARED, BINARY, ABSOLUTE, HUBER, POISSON]


def problem(loss, batch=4, outputs=3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    y = (3 * rng.normal(size=(batch, outputs))).astype(dtype)
    target = rng.integers(0, outputs, batch) if loss in LABELLED else rng.random((batch, outputs)).astype(dtype)
    y.flags.writeable = target.flags.writeable = False
    return y, target


def by_hand(loss, y, target):
    if loss in LABELLED:
        return float(np.mean([of_label(loss, row, label) for row, label in zip(y, target, strict=True)]))
    return float(np.mean([of_value(loss, a, b) for a, b in zip(y.ravel(), target.ravel(), strict=True)]))


def of_label(loss, row, label):
    if loss is HINGE:
        return max(0, 1 + max(other for k, other in enumerate(row) if k != label) - row[label])
    logs = row - math.log(np.exp(row).sum())
    return -(1 - loss.label_smoothing) * logs[label] - loss.label_smoothing * logs.mean()


def of_value(loss, y, target):
    d, p = y - target, 1 / (1 + math.exp(-y))
    return {
        SQUARED: d**2,
        BINARY: -target * math.log(p) - (1 - target) * math.log(1 - p),
        ABSOLUTE: abs(d),
        HUBER: d * d / 2 if abs(d) <= 1.5 else 1.5 * (abs(d) - 0.75),
        POISSON: math.exp(y) - target * y,
    }[loss]


@for_each("loss", LOSSES)
@bounded
@given(batch=st.integers(1, 5), outputs=st.integers(1, 5), seed=st.integers(0, 999))
def test_a_loss_is_its_formula_and_its_gradient_a_finite_difference(loss, batch, outputs, seed):
    y, target = problem(loss, batch, outputs + (loss is HINGE), seed)
    value, dy = loss(y, target)
    assert_allclose(value, by_hand(loss, y, target), rtol=1e-12, atol=1e-14)
    for index in np.ndindex(y.shape):
        above, below = y.copy(), y.copy()
        above[index] += 1e-5
        below[index] -= 1e-5
        slope = (loss(above, target, need_dy=False)[0] - loss(below, target, need_dy=False)[0]) / 2e-5
        assert_allclose(dy[index], slope, rtol=1e-6, atol=1e-9)


@for_each("loss", LOSSES)
@for_each("dtype", [np.float32, np.float64])
def test_the_gradient_is_a_new_array_like_the_output(loss, dtype):
    y, target = problem(loss, dtype=dtype)
    before = y.copy(), target.copy()
    value, dy = loss(y, target)
    assert type(value) is float and dy.dtype == dtype and dy.shape == y.shape
    assert not np.shares_memory(dy, y) and not np.shares_memory(dy, target)
    assert_array_equal(y, before[0])
    assert_array_equal(target, before[1])


@for_each("loss", LOSSES)
def test_a_loss_alone_is_the_same_loss(loss):
    y, target = problem(loss)
    value, nothing = loss(y, target, need_dy=False)
    assert nothing is None and value == loss(y, target)[0]


@for_each("loss", LOSSES)
def test_a_nan_in_the_output_is_a_nan_in_the_loss(loss):
    y, target = problem(loss)
    y = y.copy()
    y[1, 1] = math.nan
    assert math.isnan(loss(y, target)[0])


@pytest.mark.parametrize(("loss", "targets"), [(SOFTMAX, [[0], [1]]), (BINARY, [[[1, 0]], [[0, 1]]])])
def test_great_logits_do_not_overflow(loss, targets):
    y = np.array([[1e4, -1e4]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        right, dy = loss(y, np.array(targets[0]))
        wrong, dy_wrong = loss(y, np.array(targets[1]))
    assert right == 0 and not dy.any()
    assert wrong == {SOFTMAX: 2e4, BINARY: 1e4}[loss]
    assert_allclose(dy_wrong, [[1, -1]] if loss is SOFTMAX else [[0.5, -0.5]])


def test_binary_cross_entropy_is_exact_for_sure_logits():
    value, _ = BINARY(np.array([[-40.0]]), np.array([[0.0]]))
    assert_allclose(value, math.exp(-40), rtol=1e-12)


@for_each("dtype", [bool, np.uint8, np.int64, np.float64])
@for_each("loss", [SQUARED, BINARY, ABSOLUTE, HUBER, POISSON])
def test_targets_of_any_kind_of_number_do(loss, dtype):
    y = problem(loss, dtype=np.float32)[0]
    target = np.eye(4, 3).astype(dtype)
    value, dy = loss(y, target)
    expected, expected_dy = loss(y, target.astype(np.float32))
    assert_allclose(value, expected, rtol=1e-6)
    assert_allclose(dy, expected_dy, rtol=1e-5, atol=1e-7)
    assert dy.dtype == np.float32


@for_each("dtype", ["i1", "u1", ">i2", "<u4", ">u8", "u8", "i8"])
@for_each("judge", [*LABELLED, nn.Accuracy(), nn.TopK(2), nn.F1(), nn.LogLoss()])
def test_labels_of_any_kind_of_whole_number_do(judge, dtype):
    y, labels = problem(SOFTMAX, batch=300, outputs=200)
    labels = labels % 128
    wide = np.repeat(labels.astype(dtype), 2)[::2]
    for one, other in zip(parts(judge(y, wide)), parts(judge(y, labels)), strict=True):
        assert_array_equal(one, other)
    if judge is SOFTMAX:
        assert_allclose(judge(y, wide)[0], by_hand(SOFTMAX, y, labels), rtol=1e-12)


def parts(judgement):
    return judgement if isinstance(judgement, tuple) else (judgement,)


Y = np.zeros((4, 3), np.float32)
LABELS = np.array([0, 1, 2, 0])


@for_each("judge", [*LABELLED, nn.Accuracy(), nn.TopK(2)])
@for_each("target, y, said", [
    (np.array([0, 1, 3, 0]), Y, r"label 3 is out of range: the network has 3 outputs, labels go from 0 to 2"),
    (np.array([0, -1, 2, 0]), Y, r"label -1 is out of range"),
    (np.array([0, 255, 2, 0], np.uint8), Y, r"label 255 is out of range"),
    (np.array([0, -1, 2, 0], ">i4"), Y, r"label -1 is out of range"),
    (np.array([0, 1, -128, 0], np.int8)[::-1], Y, r"label -128 is out of range"),
    (np.array([0, 1, -56, 0], np.int8), np.zeros((4, 300), np.float32), r"label -56 is out of range: .* 0 to 299"),
    (np.array([0, 1, -1, 0], "<i2"), np.zeros((4, 70_000), np.float32), r"label -1 is out of range"),
    (LABELS.astype(np.float32), Y, r'float32.*: write y\.astype\("int64"\) for y .*, loss=nn\.MeanSquaredError\(\)'),
    (LABELS[:3], Y, r"the labels have shape \(3,\) .*, the outputs shape \(4, 3\): give as many labels as samples"),
    (np.array(0), Y, r"the labels have shape \(\) .*: give as many labels as samples"),
    (LABELS[:, np.newaxis], Y, r"the labels have shape \(4, 1\) and dtype int64, .*: write y\.ravel\(\) for y$"),
    (LABELS[:, np.newaxis] / 1, Y, r'\(4, 1\) and dtype float64.*: write y\.ravel\(\)\.astype\("int64"\) for y'),
    (LABELS[:, np.newaxis] > 0, Y, r"\(4, 1\) and dtype bool, .*: write y\.ravel\(\) for y$"),
    (np.eye(4, 3), Y, r"the labels have shape \(4, 3\) and dtype float64, .*: write y\.argmax\(axis=1\) for y"),
    (np.eye(4, 3, dtype=np.uint8), Y, r"dtype uint8, .*: write y\.argmax\(axis=1\) for y"),
    (np.eye(4, 3, dtype=bool), Y, r"dtype bool, .*: write y\.argmax\(axis=1\) for y"),
    (LABELS / 1, Y[:, :1], r"loss=nn\.MeanSquaredError\(\) and y\[:, None\] for y for regression"),
    (LABELS[:, np.newaxis] / 1, Y[:, :1], r"loss=nn\.MeanSquaredError\(\) for regression"),
    (LABELS, Y[:, :1], r"label 2 is out of range: the network has 1 outputs, .*, or write y\[:, None\]"),
    (np.array(["a", "b", "c", "a"]), Y, r"dtype <U1.*: write np\.unique\(y, return_inverse=True\)\[1\] for y"),
    (LABELS.astype(object), Y, r'dtype object, .* or y\.astype\("int64"\)'),
    (LABELS, Y[:, 0], r"the outputs shape \(4,\)"),
    (LABELS, Y[..., np.newaxis], r"the outputs shape \(4, 3, 1\): put nn\.Flatten\(\) behind the last layer"),
    (LABELS[:0], Y[:0], r"without samples.*\(0, 3\)"),
    (LABELS, Y[:, :0], r"without samples or outputs.*\(4, 0\)"),
])  # fmt: skip
def test_wrong_labels_are_quoted(judge, target, y, said):
    with pytest.raises(DataError, match=said):
        judge(y, target)


@for_each("loss", [SQUARED, BINARY, ABSOLUTE, HUBER, POISSON, nn.R2(), nn.RMSE(), nn.MAE(), nn.BinaryAccuracy()])
@for_each("target, y, said", [
    (np.zeros(4), Y, r"\(4,\) and dtype float64, the outputs shape \(4, 3\): give the network one output"),
    (LABELS, Y, r"dtype int64.*: write loss=nn\.SoftmaxCrossEntropy\(\) where y holds classes"),
    (np.zeros(4), Y[:, :1], r"outputs shape \(4, 1\): write y\[:, None\] for y, or give a table"),
    (LABELS, Y[:, :1], r"outputs shape \(4, 1\): write y\[:, None\] for y, or give a table"),
    (np.zeros((4, 1)), Y[:, 0], r"\(4, 1\) and dtype float64, the outputs shape \(4,\): write y\.ravel\(\) for y$"),
    (np.zeros((4, 1, 3)), Y, r"write y\.reshape\(-1, 3\) for y$"),
    (np.zeros((4, 2)), Y, r"give the last layer outputs of shape \(2,\) a sample"),
    (np.zeros(3), Y[:, :1], r"give as many targets as samples"),
    (np.zeros((4, 3), object), Y, r'dtype object, .*: write y\.astype\("float32"\) for y'),
    (np.zeros((4, 3), "U1"), Y, r"dtype <U1"),
    (np.zeros((4, 3), complex), Y, r"dtype complex128"),
    (np.zeros((0, 3)), Y[:0], r"without samples.*\(0, 3\)"),
])  # fmt: skip
def test_wrong_targets_are_quoted(loss, target, y, said):
    with pytest.raises(DataError, match=said) as caught:
        loss(y, target)
    assert y.size == 0 or str(caught.value).startswith(f"{loss!r} takes one number for each output as target: ")


@for_each("judge", [SOFTMAX, nn.Accuracy(), nn.TopK(1)])
def test_labels_of_yes_and_no_are_those_of_one_and_zero(judge):
    y, labels = problem(SOFTMAX, batch=30, outputs=2)
    for one, other in zip(parts(judge(y, labels == 1)), parts(judge(y, labels)), strict=True):
        assert_array_equal(one, other)


@for_each("loss", LOSSES)
def test_a_loss_of_float16_adds_up_in_float32(loss):
    y = np.array([[6e4, -6e4], [0.5, -3e4]] * 600, np.float16)
    target = np.array([0, 1] * 600) if loss in LABELLED else np.array([[0, 1], [1, 1]] * 600, np.uint8)
    with np.errstate(all="raise", under="ignore"):
        value, dy = loss(y, target)
    expected, slope = loss(y.astype(np.float64), target)
    assert_allclose(value, expected, rtol=1e-5)
    assert dy.dtype == np.float16
    assert_allclose(dy, slope, rtol=2e-3, atol=1e-7)


@for_each("loss, value, said", [
    (BINARY, 1.5, r"target 1\.5 of sample 2 is no probability: targets go from 0 to 1"),
    (BINARY, -0.25, r"target -0\.25 of sample 2"),
    (BINARY, math.inf, r"target inf of sample 2"),
    (SQUARED, -math.inf, r"target -inf of sample 2 is not a finite number"),
    (SQUARED, math.nan, r"target nan of sample 2"),
    (ABSOLUTE, math.nan, r"target nan of sample 2 is not a finite number"),
    (HUBER, math.inf, r"target inf of sample 2 is not a finite number"),
    (POISSON, -1, r"target -1\.0 of sample 2 is no count: it is below 0"),
    (POISSON, math.nan, r"target nan of sample 2 is not a finite number"),
])  # fmt: skip
def test_a_wrong_target_is_found(loss, value, said):
    target = np.zeros((4, 3))
    target[2, 1] = value
    with pytest.raises(DataError, match=said):
        loss(Y, target)


def test_a_margin_needs_two_classes():
    with pytest.raises(DataError, match=r"nn\.Hinge\(\) compares classes, and the network has one output"):
        HINGE(Y[:, :1], np.zeros(4, int))


def test_a_loss_that_diverged_is_not_blamed_on_the_targets():
    y = Y.copy()
    y[0, 0] = np.inf
    assert SQUARED(y, np.zeros((4, 3)))[0] == math.inf


def test_labels_that_mean_none_and_classes_that_come_last_name_the_remedy():
    logits = np.zeros((2, 5, 7), np.float32)
    none = r"label -100 is out of range.*, or write nn\.SoftmaxCrossEntropy\(ignore_index=-100\) where"
    for y, target in ((logits, np.full((2, 7), -100)), (logits[:, :, 0], np.array([0, -100]))):
        with pytest.raises(DataError, match=none):
            nn.SoftmaxCrossEntropy()(y, target)
    with pytest.raises(
        DataError, match=r"labels have shape \(2, 5\).*: transpose the outputs, whose classes come last"
    ):
        nn.SoftmaxCrossEntropy()(logits, np.zeros((2, 5), np.int64))
