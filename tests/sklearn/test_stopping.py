"""Early stopping and callbacks of the estimators."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV

from akkordeon_dask import callbacks
from akkordeon_dask.errors import SpecError
from akkordeon_dask.sklearn import AkkordeonClassifier, AkkordeonRegressor
from tests.support.one_worker import one_worker

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

X, Y = load_digits(return_X_y=True)
X = X[:600] / 16
Y = Y[:600]


@pytest.fixture(scope="module", autouse=True)
def default_client():
    with one_worker() as client:
        yield client


def classifier(**options):
    return AkkordeonClassifier(
        **{"random_state": 0, "lr": 0.01, "early_stopping": True, "n_iter_no_change": 3, **options}
    )


def test_training_stops_early_with_the_best_parameters():
    fitted = classifier(max_epochs=200).fit(X, Y)
    losses = [one.loss for one in fitted.history_ if one.sentinel == "valid"]
    assert fitted.n_iter_ == len(losses) < 200
    assert np.argmin(losses) == len(losses) - 4  # three passes without an improvement of 1e-4
    shorter = classifier(max_epochs=len(losses) - 3).fit(X, Y)
    assert_array_equal(fitted.predict_proba(X), shorter.predict_proba(X))


def test_each_class_has_its_share_of_the_samples_held_out():
    fitted = classifier(max_epochs=1, validation_fraction=0.2).fit(X, Y)
    assert [(one.sentinel, one.samples) for one in fitted.history_] == [("train", 480), ("valid", 120)]
    with pytest.raises(
        ValueError, match=r"validation_fraction=0\.1 of 30 samples cannot be held out: The least populated"
    ):
        classifier().fit(X[:30], [0] * 29 + [1])
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1 of 10 samples .*: give more of each class"):
        classifier().fit(X[:10], [0, 1] * 5)


def test_a_fit_is_a_function_of_its_random_state():
    first, again = (clone(classifier(max_epochs=6)).fit(X, Y) for _ in range(2))
    assert_array_equal(first.predict_proba(X), again.predict_proba(X))


def test_a_regressor_stops_early_too():
    x, y = load_diabetes(return_X_y=True)
    fitted = AkkordeonRegressor(early_stopping=True, n_iter_no_change=2, lr=0.1, tol=1e9, random_state=0).fit(x, y)
    assert fitted.n_iter_ == 3


def test_callbacks_monitor_samples_that_are_held_out_for_them():
    stopping, seen = callbacks.EarlyStopping("valid.accuracy", patience=1, min_delta=1), []
    fitted = classifier(early_stopping=False, callbacks=[stopping, seen.append]).fit(X, Y)
    assert (fitted.n_iter_, stopping.stopped) == (2, 2) and seen == list(fitted.history_)
    training = classifier(early_stopping=False, callbacks=seen.append, max_epochs=1).fit(X, Y)
    assert [one.samples for one in training.history_] == [600]


def test_a_figure_that_is_not_there_is_told_with_those_that_are():
    wrong = classifier(callbacks=[callbacks.EarlyStopping("valid.f1", restore_best=False)], max_epochs=1)
    with pytest.raises(SpecError, match=r"there are valid\.loss, valid\.accuracy, train\.loss, train\.accuracy"):
        wrong.fit(X, Y)


def test_partial_fit_does_not_stop_early():
    with pytest.raises(ValueError, match=r"partial_fit makes one pass: early_stopping=True is for fit"):
        classifier().partial_fit(X, Y)


def test_callbacks_are_cloned_and_pickled_with_the_estimator():
    estimator = classifier(callbacks=[callbacks.ReduceLROnPlateau("valid.loss", patience=1)], max_epochs=3)
    search = GridSearchCV(estimator, {"n_iter_no_change": [1, 2]}, cv=2).fit(X, Y)
    assert pickle.loads(pickle.dumps(search.best_estimator_)).score(X, Y) == search.best_estimator_.score(X, Y)
