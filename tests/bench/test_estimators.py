"""The study of estimators on real sets."""

import numpy as np
import pytest

from tests.bench._estimators import Study, _add, _start, table
from tests.bench._real_sets import load
from tests.support.one_worker import one_worker


def test_a_set_fails_where_ours_is_worse_by_more_than_a_point_and_the_standard_error():
    good = Study("good", 100, 4, {"accuracy": [(0.90, 0.90), (0.88, 0.91), (0.92, 0.90)]})
    bad = Study("bad", 100, 4, {"R2": [(0.90, 0.95), (0.90, 0.94)], "F1": [(0.9, 0.9), (0.9, 0.9)]})
    assert bad.difference("R2") == (pytest.approx(-0.045), pytest.approx(0.005))
    assert good.passes("accuracy")
    assert table([good, bad]).endswith("Fails: bad (R2).")
    assert "| good | 100, 4 | accuracy | 0.900 | 0.903 | -0.0033 ± 0.0145 |" in table([good, bad])


def test_of_two_classes_scikit_learns_first_logit_is_the_difference_of_ours():
    two, three = _start(4, 2, 0), _start(4, 3, 0)
    assert [part.shape for part in two] == [(4, 50), (50,), (50, 20), (20,), (20, 1), (1,)]
    assert [part.shape for part in three][-2:] == [(20, 3), (3,)]
    assert np.array_equal(two[0], three[0])


@pytest.mark.cluster
@pytest.mark.slow
def test_both_sides_learn_the_flowers():
    study = Study("iris", 150, 4)
    with one_worker():
        _add(study, *load("iris"), seed=0)
    assert list(study.scores) == ["accuracy", "F1"]
    assert np.min(study.scores["accuracy"]) > 0.5
    assert len(study.scores["F1"]) == 5
