"""The confusion matrix of a pass, and the images of wrong predictions, whatever its batches."""

import base64
import io
from dataclasses import asdict
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import confusion_matrix

from akkordeon_dask import nn
from akkordeon_dask.actors.sentinel._confusion import NONE, ConfusionCounts, count_confusion
from akkordeon_dask.messages import Confusion
from tests.support.for_each import for_each

LABELS = nn.SoftmaxCrossEntropy()
bounded = settings(max_examples=40, deadline=None, derandomize=True)


def problem(classes=4, samples=60, shape=(8, 8), seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (samples, *shape), dtype=np.uint8)
    return rng.normal(size=(samples, classes)), rng.integers(0, classes, samples), x


def counted(y, target, x, size, order=None):
    """The counts of all samples, in batches of a size, merged in some order."""
    starts = range(0, len(x), size)
    parts = [count_confusion(LABELS, *(a[at : at + size] for a in (y, target, x)), at // size) for at in starts]
    return reduce(ConfusionCounts.merged, (parts[index] for index in (order or range(len(parts)))), NONE)


def pixels(one):
    return np.array(Image.open(io.BytesIO(base64.b64decode(one.png))))


@bounded
@given(size=st.integers(1, 60), seed=st.integers(0, 50))
def test_the_matrix_is_scikit_learns_for_batches_of_any_size(size, seed):
    y, target, x = problem(seed=seed)
    found = counted(y, target, x, size).report(3)
    assert found.epoch == 3
    np.testing.assert_array_equal(found.matrix, confusion_matrix(target, y.argmax(axis=1), labels=range(4)))


@bounded
@given(order=st.permutations(range(12)), seed=st.integers(0, 50))
def test_the_images_are_of_the_surest_mistakes_in_any_order_of_batches(order, seed):
    y, target, x = problem(seed=seed)
    found = counted(y, target, x, 5, order).report(1)
    rows = np.arange(len(y))
    margins = y.max(axis=1) - y[rows, target]
    surest = np.argsort(-margins, kind="stable")[: len(found.wrong)]
    assert len(found.wrong) == 12
    for row, one in zip(surest, found.wrong, strict=True):
        assert (one.label, one.predicted) == (target[row], y[row].argmax())
        np.testing.assert_array_equal(pixels(one), x[row])


@for_each(
    "shape, dtype, seen",
    [
        ((64,), np.uint8, (8, 8)),
        ((784,), np.float32, (28, 28)),
        ((1, 28, 28), np.float32, (28, 28)),
        ((3, 32, 32), np.uint8, (32, 32, 3)),
        ((32, 32, 3), np.uint8, (32, 32, 3)),
        ((28, 28), bool, (28, 28)),
        ((100, 80), np.int16, (25, 20)),
        ((13,), np.float32, None),
        ((49,), np.float32, None),
        ((64,), np.int64, None),
        ((3, 100), np.float32, None),
        ((2, 16, 16), np.float32, None),
    ],
)
def test_samples_that_look_like_images_are_shown_as_such(shape, dtype, seen):
    y, target, x = problem(samples=9, shape=shape)
    found = counted(y, target, x.astype(dtype), 9).report(1)
    assert {pixels(one).shape for one in found.wrong} == ({seen} if seen else set())
    assert found.matrix.sum() == 9


def test_numbers_go_from_black_to_white_and_bad_ones_do_no_harm():
    y, *_ = problem(samples=1)
    x = np.linspace(-2, 2, 64, dtype=np.float32).reshape(1, 8, 8)
    x[0, 0, 1] = np.nan
    (one,) = counted(y, (y.argmax(axis=1) + 1) % 4, x, 1).report(1).wrong
    assert pixels(one)[0, 0] == 0 and pixels(one)[-1, -1] == 255


def test_it_is_small_however_large_the_images_are_and_comes_back_from_the_heartbeat():
    y, target, x = problem(64, 500, (3, 224, 224))
    found = counted(y, target, x, 500).report(1)
    plain = asdict(found)
    assert len(repr(plain)) < 50_000 and found.wrong
    assert Confusion.from_dict(plain) == found
    assert found.without_images().wrong == () and (found.without_images().matrix == found.matrix).all()


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_yes_and_no_are_two_classes(shape):
    y, target = np.array([3.0, -1, -2, 4, 0.5, -0.1]).reshape(shape), np.array([1, 0, 1, 1, 0, 0]).reshape(shape)
    found = count_confusion(nn.BinaryCrossEntropyWithLogits(), y, target, np.zeros((6, 2)), 0).report(1)
    assert found.matrix.tolist() == [[2, 1], [1, 2]]


@for_each(
    "loss, y, target",
    [
        (nn.MeanSquaredError(), np.zeros((4, 3)), np.zeros((4, 3))),
        (LABELS, np.zeros((4, 65)), np.zeros(4, int)),
        (LABELS, np.zeros((4, 1)), np.zeros(4, int)),
        (LABELS, np.zeros((0, 3)), np.zeros(0, int)),
        (nn.BinaryCrossEntropyWithLogits(), np.zeros((4, 2)), np.zeros((4, 2))),
    ],
)
def test_without_few_classes_there_is_nothing_to_count(loss, y, target):
    assert count_confusion(loss, y, target, np.zeros((len(y), 8, 8)), 0) is None


def test_rows_that_are_not_those_of_the_samples_are_counted_without_images():
    y, target, x = problem(samples=10)
    found = NONE.merged(count_confusion(LABELS, y[1:], target[1:], x, 0)).report(1)
    assert found.matrix.sum() == 9 and found.wrong == ()
