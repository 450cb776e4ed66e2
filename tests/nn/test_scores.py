"""Scores of classifiers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from akkordeon_dask import nn
from akkordeon_dask.errors import ShapeError

bounded = settings(max_examples=60, deadline=None, derandomize=True)


def test_scores_by_hand():
    y = np.array([[3, 2, 1, 0], [0, 1, 2, 3], [1, 3, 0, 2]], np.float32)
    target = np.array([0, 2, 0])
    assert nn.Accuracy()(y, target) == 1 / 3
    assert [nn.TopK(k)(y, target) for k in (1, 2, 3, 4)] == [1 / 3, 2 / 3, 1, 1]


def test_scores_are_named_as_in_reports():
    assert [nn.Accuracy().name, nn.TopK(1).name, nn.TopK(5).name] == ["accuracy", "top1", "top5"]


@bounded
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_the_best_of_one_is_accuracy_and_more_never_score_less(batch, classes, seed):
    rng = np.random.default_rng(seed)
    y, target = rng.integers(0, 3, (batch, classes)).astype(np.float32), rng.integers(0, classes, batch)
    scores = [nn.TopK(k)(y, target) for k in range(1, classes + 1)]
    assert scores[0] == nn.Accuracy()(y, target)
    assert scores == sorted(scores) and scores[-1] == 1


def test_a_network_that_cannot_tell_scores_by_chance():
    assert nn.TopK(2)(np.zeros((10, 10)), np.arange(10)) == 0.2


def test_a_network_of_nan_scores_nothing():
    assert nn.TopK(2)(np.full((3, 3), math.nan), np.arange(3)) == 0


def test_more_than_there_are_outputs_is_refused():
    with pytest.raises(ShapeError, match=r"nn\.TopK\(5\) takes at least 5 outputs, not 3"):
        nn.TopK(5)(np.zeros((2, 3)), np.array([0, 1]))
