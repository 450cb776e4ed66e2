"""What users of scikit-learn do with an estimator."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from akkordeon_dask import Gate, nn, optim
from akkordeon_dask.sklearn import AkkordeonClassifier, AkkordeonRegressor
from tests.support.one_worker import one_worker

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


@pytest.fixture(scope="module")
def client():
    with one_worker() as client:
        yield client


def quick(client, **options):
    """A classifier that needs a second."""
    estimator = AkkordeonClassifier(**{"max_epochs": 20, "lr": 1e-2, "random_state": 0, **options})
    estimator.client = client
    return estimator


IRIS = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(IRIS[0])
FLOWERS = np.array(["setosa", "versicolor", "virginica"])[IRIS[1]]


def test_labels_of_any_kind_come_back(client):
    fitted = quick(client).fit(X, FLOWERS)
    assert fitted.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert fitted.score(X, FLOWERS) > 0.9
    said = fitted.predict_proba(X)
    assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    assert_array_equal(fitted.classes_[said.argmax(axis=1)], fitted.predict(X))


def test_a_fit_is_a_function_of_its_random_state(client):
    one, same, other = (quick(client, random_state=seed).fit(X, FLOWERS) for seed in (1, 1, 2))
    assert_array_equal(one.predict_proba(X), same.predict_proba(X))
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_predictions_survive_pickle_and_deepcopy_without_a_client(client):
    fitted = quick(client).fit(X, FLOWERS)
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert twin.client is None
        assert_array_equal(twin.predict(X), fitted.predict(X))
    assert clone(fitted).get_params() == fitted.get_params() and clone(fitted).client is None


def test_a_network_of_ones_own_is_trained_as_it_is(client):
    network = Gate(nn.Linear(4, 8) >> nn.Tanh(), optim.SGD(0.1), name="front") | Gate(nn.Linear(8, 3), optim.SGD(0.1))
    fitted = quick(client, network=network).fit(X, FLOWERS)
    assert set(fitted.parameters_) == {"front", "g1"}
    assert fitted.score(X, FLOWERS) > 0.9


def test_a_warm_start_goes_on_and_a_cold_one_begins_anew(client):
    warm, cold = (quick(client, max_epochs=2, warm_start=start).fit(X, FLOWERS) for start in (True, False))
    before = warm.history_[-1].loss
    assert warm.fit(X, FLOWERS).history_[0].loss < cold.fit(X, FLOWERS).history_[0].loss
    assert warm.history_[0].loss < before * 1.2


def test_partial_fits_are_passes_over_what_they_are_given(client):
    fitted = quick(client)
    for _ in range(15):
        for part in (slice(0, None, 2), slice(1, None, 2)):
            fitted.partial_fit(X[part], FLOWERS[part], classes=np.unique(FLOWERS))
    assert fitted.score(X, FLOWERS) > 0.8
    with pytest.raises(ValueError, match=r"class '?np.str_\('rose'\)"):
        fitted.partial_fit(X[:2], ["rose", "setosa"])


def test_classes_that_are_missing_in_the_first_part_are_known(client):
    fitted = quick(client).partial_fit(X[:50], FLOWERS[:50], classes=np.unique(FLOWERS))
    assert fitted.predict_proba(X).shape == (150, 3)


def test_a_margin_has_no_probabilities(client):
    fitted = quick(client, loss=nn.Hinge()).fit(X, FLOWERS)
    assert not hasattr(fitted, "predict_proba") and fitted.score(X, FLOWERS) > 0.9


def test_a_pipeline_is_searched_by_several_processes():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), AkkordeonClassifier(max_epochs=10, random_state=0)),
        {"akkordeonclassifier__lr": [1e-4, 1e-2]},
        cv=2,
        n_jobs=2,
    )
    search.fit(IRIS[0], FLOWERS)
    assert search.best_params_ == {"akkordeonclassifier__lr": 1e-2}
    assert search.score(IRIS[0], FLOWERS) > 0.8


def test_fits_in_a_row_leave_nothing_behind():
    me = psutil.Process()
    AkkordeonClassifier(max_epochs=1).fit(X, FLOWERS)
    before = (
        {thread.name for thread in threading.enumerate()},
        len(me.children(recursive=True)),
        len(me.net_connections()),
    )
    for _ in range(5):
        AkkordeonClassifier(max_epochs=1).fit(X, FLOWERS)
    after = (
        {thread.name for thread in threading.enumerate()},
        len(me.children(recursive=True)),
        len(me.net_connections()),
    )
    assert after == before


def test_digits_are_read(client):
    x, y = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(x / 16, y, random_state=0)
    assert quick(client, max_epochs=30).fit(a, c).score(b, d) > 0.93


def test_a_regressor_fits_one_column_and_several(client):
    x, y = load_diabetes(return_X_y=True)
    x, y = StandardScaler().fit_transform(x), (y - y.mean()) / y.std()
    model = AkkordeonRegressor(max_epochs=30, random_state=0)
    model.client = client
    assert cross_val_score(model, x, y, cv=3).mean() > 0.3
    assert model.fit(x, y).predict(x).shape == (442,)
    assert model.fit(x, np.column_stack([y, -y])).predict(x).shape == (442, 2)


def test_what_was_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        AkkordeonClassifier().predict(X)


def test_without_scikit_learn_the_import_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import akkordeon_dask; import akkordeon_dask.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "akkordeon_dask.sklearn needs scikit-learn: pip install 'akkordeon_dask[sklearn]'" in done.stderr
