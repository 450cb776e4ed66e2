"""What users of scikit-learn do with an estimator."""

import copy
import pickle
import subprocess
import sys
import threading
from datetime import date

import numpy as np
import pandas as pd
import psutil
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from akkordeon_dask import Gate, Network, data, nn, optim
from akkordeon_dask.errors import AkkordeonError, SpecError
from akkordeon_dask.sklearn import AkkordeonClassifier, AkkordeonRegressor
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each
from tests.support.leftovers import wait_until
from tests.support.one_worker import one_worker
from tests.support.patience import PATIENCE

da = pytest.importorskip("dask.array")

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
    assert_allclose(np.exp(fitted.predict_log_proba(X)), said, rtol=1e-5)
    far = fitted.predict_log_proba(1e3 * X)
    assert np.isfinite(far).all() and far.min() < -100, "the logarithm of what predict_proba rounds to 0"


@for_each("labels", [pd.array([2**62, 2**62 + 1] * 75, "Int64"), pd.array([True, False] * 75, "boolean")])
def test_nullable_labels_of_pandas_come_back_as_they_are(client, labels):
    fitted = quick(client, max_epochs=1).fit(X, pd.Series(labels))
    assert_array_equal(fitted.classes_, np.unique(labels.to_numpy(labels.dtype.numpy_dtype)))
    assert fitted.predict(X).dtype == labels.dtype.numpy_dtype and 0 <= fitted.score(X, pd.Series(labels)) <= 1


def test_labels_of_numpys_strings_of_any_width_are_text(client):
    text = FLOWERS.astype(np.dtypes.StringDType())
    plain, fitted = quick(client, max_epochs=1).fit(X, FLOWERS), quick(client, max_epochs=1).fit(X, text)
    assert_array_equal(fitted.predict(X), plain.predict(X))
    assert fitted.partial_fit(X, text, classes=np.unique(text)).classes_.tolist() == plain.classes_.tolist()
    for nothing in (None, np.nan):
        lacking = np.where(text == "setosa", nothing, FLOWERS.astype(object))
        with pytest.raises(ValueError, match="y: 50 of 150 labels are missing: drop their rows"):
            quick(client).fit(X, np.array(lacking, np.dtypes.StringDType(na_object=nothing)))


def test_a_client_that_cannot_be_waited_for_is_refused(client):
    class Asynchronous:
        asynchronous = True

    estimator = quick(client)
    estimator.client = Asynchronous()
    with pytest.raises(SpecError, match=r"fit waits, and .*Asynchronous.* is asynchronous: set estimator\.client = "):
        estimator.fit(*load_iris(return_X_y=True))


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


def test_a_network_that_takes_the_mean_off_has_all_digits_of_the_samples(client):
    ids, last = 10**15 + 1000 * np.arange(150)[:, None], np.arange(150) >= 75
    layers = nn.Scale(*data.standardise(data.arrays(ids, None))) >> nn.Linear(1, 2)
    network = Network([Gate(layers, optim.Adam(0.1))])
    for given, labels in ((ids, last), (da.from_array(ids, (75, 1)), da.from_array(last, 75))):
        fitted = quick(client, network=network).fit(given, labels)
        assert fitted.score(ids, last) > 0.95 and np.mean(np.asarray(fitted.predict(given)) == last) > 0.95
        assert pickle.loads(pickle.dumps(fitted)).score(pd.DataFrame(ids), last) > 0.95
    with pytest.raises(ValueError, match="outputs for 1 of 2 samples are not finite, the first is sample 1: look"):
        fitted.predict([[1e15], [1e60]])


def test_a_regressor_predicts_counts_and_probabilities(client):
    x = np.linspace(-1, 1, 200)[:, np.newaxis]
    counts, likely = np.exp(1 + 2 * x[:, 0]), (x[:, 0] > 0).astype(float)
    options = {"max_epochs": 150, "lr": 1e-2, "random_state": 0}
    poisson = AkkordeonRegressor(loss=nn.PoissonNLL(), **options).fit(x, np.round(counts))
    assert poisson.predict(x).min() > 0 and poisson.score(x, counts) > 0.9
    assert_allclose(poisson.predict(da.from_array(x, chunks=(50, 1))).compute(), poisson.predict(x), rtol=1e-5)
    yes = AkkordeonRegressor(loss=nn.BinaryCrossEntropyWithLogits(), **options).fit(x, np.c_[likely, 1 - likely])
    said = yes.predict(x)
    assert (said.min(), said.max()) == (pytest.approx(0, abs=0.1), pytest.approx(1, abs=0.1))


def test_a_loss_that_is_set_after_a_fit_counts_from_the_next_one(client):
    counts = AkkordeonRegressor(loss=nn.PoissonNLL(), max_epochs=2, random_state=0)
    margins = quick(client, loss=nn.Hinge(), max_epochs=2)
    counts.client = client
    counts.fit(X, IRIS[1]), margins.fit(X, FLOWERS)
    expected, decided = counts.predict(X), margins.decision_function(X)
    for estimator in (counts, margins):
        estimator.set_params(loss=None)
        with pytest.raises(ValueError, match="NaN"):
            estimator.fit(np.full_like(X, np.nan), IRIS[1])
    assert_array_equal(pickle.loads(pickle.dumps(counts)).predict(X), expected)
    assert_array_equal(margins.decision_function(X), decided)
    assert not hasattr(margins, "predict_proba")
    assert hasattr(margins.fit(X, FLOWERS), "predict_proba") and not hasattr(margins, "decision_function")


def test_an_error_of_training_gives_no_advice_about_a_network_that_the_user_has_not(client):
    with pytest.raises(AkkordeonError) as caught:
        quick(client, optimizer=optim.SGD, lr=1e30).fit(X, FLOWERS)
    assert "running." not in str(caught.value)


def test_labels_of_two_widths_are_told_apart(client):
    labels = np.arange(150) // 75 + 2**60
    fitted = quick(client)
    for given in (labels, labels.astype(np.uint64)) * 10:
        fitted.partial_fit(X, given, classes=[2**60, 2**60 + 1])
    assert fitted.classes_.tolist() == [2**60, 2**60 + 1]
    assert (fitted.predict(X) == labels).mean() > 0.8
    with pytest.raises(ValueError, match=f"class {2**60 + 2} is none of"):
        fitted.partial_fit(X, labels.astype(np.uint64) + np.uint64(1))


def test_a_network_of_words_takes_whole_numbers(client):
    words = np.arange(150)[:, None] % 3
    network = Network([Gate(nn.Embedding(3, 4) >> nn.Flatten() >> nn.Linear(4, 3), optim.Adam(0.1))])
    for given, labels in ((words, words[:, 0]), (da.from_array(words, (75, 1)), da.from_array(words[:, 0], 75))):
        fitted = quick(client, network=network).fit(given, labels)
        assert fitted.score(words, words[:, 0]) == 1 and (np.asarray(fitted.predict(given)) == words[:, 0]).all()


def test_a_warm_start_goes_on_and_a_cold_one_begins_anew(client):
    warm, cold = (quick(client, max_epochs=2, warm_start=start).fit(X, FLOWERS) for start in (True, False))
    before = warm.history_[-1].loss
    assert warm.fit(X, FLOWERS).history_[0].loss < cold.fit(X, FLOWERS).history_[0].loss
    assert warm.history_[0].loss < before * 1.2


def test_a_fit_that_goes_on_has_the_learning_rate_that_was_set_by_then(client):
    fitted = quick(client, optimizer=optim.SGD, warm_start=True, max_epochs=2).fit(X, FLOWERS)
    before = fitted.predict_proba(X)
    for go_on in (fitted.fit, fitted.partial_fit):
        fitted.set_params(lr=1e-12)
        assert_allclose(go_on(X, FLOWERS).predict_proba(X), before, rtol=1e-6)
    with pytest.raises(
        ValueError, match=r"the parameters of the fit before, of Gate\(nn\.Linear\(4, 50\).*, do not fit"
    ):
        fitted.set_params(hidden_layer_sizes=(7,)).fit(X, FLOWERS)
    assert_allclose(fitted.predict_proba(X), before, rtol=1e-6)


def test_a_second_fit_that_fails_leaves_the_first_one(client):
    frame = pd.DataFrame(X, columns=[*"abcd"])
    fitted = quick(client, max_epochs=2).fit(frame, FLOWERS)
    before = fitted.predict_proba(frame)

    def stop(report):
        raise OSError("disk full")

    fitted.set_params(callbacks=[stop])
    with pytest.raises(OSError, match="disk full"):
        fitted.fit(X[:, :3], FLOWERS == "setosa")
    assert_array_equal(fitted.predict_proba(frame), before)
    assert fitted.classes_.tolist() == np.unique(FLOWERS).tolist() and [*fitted.feature_names_in_] == [*"abcd"]


def test_a_first_partial_fit_that_fails_leaves_nothing_fitted(client):
    estimator = quick(client)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match="NaN"):
        estimator.partial_fit(np.full_like(X, np.nan), FLOWERS, classes=np.unique(FLOWERS))
    assert vars(estimator) == before
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


def test_partial_fits_are_passes_over_what_they_are_given(client):
    fitted = quick(client)
    for _ in range(15):
        for part in (slice(0, None, 2), slice(1, None, 2)):
            fitted.partial_fit(X[part], FLOWERS[part], classes=np.unique(FLOWERS))
    assert fitted.score(X, FLOWERS) > 0.8
    with pytest.raises(ValueError, match=r"class '?np.str_\('rose'\)"):
        fitted.partial_fit(X[:2], ["rose", "setosa"])
    with pytest.raises(ValueError, match=r"'rose'.* are not .*give the first call of partial_fit all of them"):
        fitted.partial_fit(X, FLOWERS, classes=[*np.unique(FLOWERS), "rose"])
    with pytest.raises(ValueError, match=r"classes is of type Array, which is no array of labels: add \.compute"):
        fitted.partial_fit(X, FLOWERS, classes=da.unique(da.from_array(FLOWERS)))
    assert fitted.partial_fit(X, FLOWERS, classes=set(FLOWERS)).classes_.tolist() == np.unique(FLOWERS).tolist()


@for_each(
    "options, words",
    [
        ({"network": nn.Linear(4, 3)}, r"network=nn\.Linear\(4, 3\) is a Linear: give a Network"),
        ({"network": Network([Gate(nn.Linear(4, 5), optim.SGD(0.1))])}, r"outputs of shape \(5,\).* asks for \(3,\)"),
        ({"optimizer": optim.Adam(0.1)}, r"optimizer=optim\.Adam\(0\.1\): give a class, or a function"),
        ({"optimizer": dict}, r"optimizer=<class 'dict'>: give a class, or a function .* makes an optim\.Optimizer"),
        ({"class_weight": pd.Series({"setosa": 2.0})}, r"class_weight is a mapping .* a mapping by \.to_dict\(\)"),
        ({"class_weight": {"rose": 2.0, "setosa": 1.0}}, r"a weight for 'rose', and the classes of y are \['setosa', "),
        ({"optimizer": "adam"}, r"optimizer='adam': give a class, or a function"),
        ({"warm_start": "no"}, "warm_start is True or False, not 'no'"),
        ({"early_stopping": "yes"}, "early_stopping is True or False, not 'yes'"),
        ({"batch_size": "auto"}, "batch_size is a whole number of at least 1, not 'auto'"),
        (
            {"early_stopping": True, "validation_fraction": 0},
            "validation_fraction is a finite number above 0 and below 1",
        ),
        (
            {"early_stopping": True, "validation_fraction": 5},
            "validation_fraction is a finite number above 0 and below 1",
        ),
    ],
)
def test_parameters_that_cannot_work_are_refused_before_anything_trains(options, words):
    with pytest.raises(ValueError, match=words):
        AkkordeonClassifier(**options).fit(X, FLOWERS)


@pytest.mark.parametrize("number", [7, np.int64(7), np.array(7)])
def test_one_hidden_layer_may_be_a_number(client, number):
    fitted = quick(client, hidden_layer_sizes=number, max_epochs=1).fit(X, FLOWERS)
    assert len(fitted.network_) == 2 and fitted.predict_proba(X).shape == (150, 3)


def test_classes_that_are_missing_in_the_first_part_are_known(client):
    fitted = quick(client).partial_fit(X[:50], FLOWERS[:50], classes=np.unique(FLOWERS))
    assert fitted.predict_proba(X).shape == (150, 3)


def test_a_margin_has_no_probabilities(client):
    fitted = quick(client, loss=nn.Hinge()).fit(X, FLOWERS)
    assert not (hasattr(fitted, "predict_proba") or hasattr(fitted, "predict_log_proba"))
    assert fitted.score(X, FLOWERS) > 0.9
    margins = fitted.decision_function(X)
    assert margins.shape == (150, 3)
    assert (fitted.classes_[margins.argmax(axis=1)] == fitted.predict(X)).all()
    assert not hasattr(quick(client), "decision_function")


def test_the_margin_of_two_classes_is_one_number_that_scorers_of_curves_take(client):
    two = FLOWERS[50:] == "virginica"
    fitted = quick(client, loss=nn.Hinge()).fit(X[50:], two)
    margins = fitted.decision_function(X[50:])
    assert margins.shape == (100,) and ((margins > 0) == fitted.predict(X[50:])).all()
    assert get_scorer("roc_auc")(fitted, X[50:], two) > 0.9


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

    def there():
        names = {thread.name for thread in threading.enumerate()}
        return names, len(me.children(recursive=True)), len(me.net_connections())

    AkkordeonClassifier(max_epochs=1).fit(X, FLOWERS)
    names, children, connections = there()
    for _ in range(5):
        AkkordeonClassifier(max_epochs=1).fit(X, FLOWERS)

    def nothing_more():
        now = there()
        return now[0] <= names and now[1] <= children and now[2] <= connections

    wait_until(nothing_more, seen=lambda: (there(), names, children, connections))


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


@for_each("columns", [(1, 2), (2, 1), (3, 2)])
def test_a_fit_that_goes_on_has_as_many_targets(client, columns):
    first, then = (np.tile(IRIS[1][:, None], many) for many in columns)
    fitted = AkkordeonRegressor(max_epochs=1, random_state=0, warm_start=True)
    fitted.client = client
    before = fitted.fit(X, first.squeeze()).predict(X)
    for go_on in (fitted.fit, fitted.partial_fit):
        for make in (np.squeeze, lambda value: da.from_array(value, chunks=(50, value.shape[1]))):
            with pytest.raises(
                ValueError, match=f"y has {columns[1]} columns, and the fit before had {columns[0]}: give"
            ):
                go_on(make(X), make(then))
    assert_array_equal(fitted.predict(X), before)


def test_what_was_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        AkkordeonClassifier().predict(X)


def test_without_scikit_learn_the_import_says_what_to_install():
    code = "import sys; sys.modules['sklearn'] = None; import akkordeon_dask; import akkordeon_dask.sklearn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "akkordeon_dask.sklearn needs scikit-learn: pip install 'akkordeon_dask[sklearn]'" in done.stderr


def test_a_weight_of_2_is_a_sample_twice_and_a_weight_of_0_is_none(client):
    times = np.r_[np.full(50, 2), np.zeros(50, int), np.ones(50, int)]
    one_batch = {"batch_size": 1000, "dtype": "float64", "max_epochs": 20}
    weighted = quick(client, **one_batch).fit(X, FLOWERS, sample_weight=times)
    written = quick(client, **one_batch).fit(np.repeat(X, times, axis=0), np.repeat(FLOWERS, times))
    assert weighted.classes_.tolist() == ["setosa", "virginica"]
    assert_allclose(weighted.predict_proba(X), written.predict_proba(X), rtol=1e-9)
    plain = quick(client, **one_batch).fit(X[times > 0], FLOWERS[times > 0])
    assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X), rtol=1e-4)


def test_scores_take_sample_weights(client):
    fitted = quick(client).fit(X, FLOWERS)
    right, weights = fitted.predict(X) == FLOWERS, np.random.default_rng(0).random(150)
    assert_allclose(fitted.score(X, FLOWERS, sample_weight=weights), np.average(right, weights=weights))


def test_partial_fits_take_sample_weights(client):
    ones = np.ones(150)
    for estimator, y in ((quick(client), FLOWERS), (AkkordeonRegressor(random_state=0), IRIS[1])):
        estimator.client = client
        weighted, plain = (clone(estimator) for _ in range(2))
        weighted.client = plain.client = client
        weighted.partial_fit(X, y, sample_weight=np.r_[10 * ones[:50], ones[50:]])
        plain.partial_fit(X, y)
        assert weighted.history_[-1].loss != plain.history_[-1].loss
        with pytest.raises(ValueError, match="sample_weight"):
            weighted.partial_fit(X, y, sample_weight=ones[:3])


def test_class_weights_have_the_labels_of_the_user_and_balanced_ones_lift_a_rare_class(client):
    rare = np.r_[0:50, 50:55, 100:150]
    x, y = X[rare][:, :2], FLOWERS[rare]
    plain, balanced, mapped = (
        quick(client, class_weight=weights, max_epochs=60).fit(x, y)
        for weights in (None, "balanced", {"versicolor": 7.0, "setosa": 0.7, "virginica": 0.7})
    )
    said = [one.predict_proba(X[50:100, :2])[:, 1].mean() for one in (plain, balanced)]
    assert said[1] > 1.5 * said[0]
    assert_allclose(balanced.predict_proba(X[:, :2]), mapped.predict_proba(X[:, :2]), atol=1e-3)
    with pytest.raises(ValueError, match=r'class_weight="balanced" needs all samples at once'):
        balanced.partial_fit(x, y)


@for_each("moment", [np.datetime64, pd.Timestamp, date.fromisoformat])
def test_classes_that_are_days_have_weights_however_they_are_written(client, moment):
    days, twice = np.array(["2026-01-01", "2026-01-02", "2026-01-03"], "M8[D]"), {1: 2.0}
    numbered = quick(client, class_weight=twice, max_epochs=2).fit(X, IRIS[1])
    dated = quick(client, class_weight={moment("2026-01-02"): 2.0}, max_epochs=2)
    assert_array_equal(dated.fit(X, days[IRIS[1]]).predict_proba(X), numbered.predict_proba(X))
    unweighted = quick(client, max_epochs=2).fit(X, IRIS[1])
    assert not np.array_equal(unweighted.predict_proba(X), numbered.predict_proba(X))


def test_the_averages_of_an_ema_predict_and_those_that_train_are_kept(client):
    options = {"max_epochs": 3, "batch_size": 32}
    plain = quick(client, **options).fit(X, FLOWERS)
    averaged = quick(client, optimizer=lambda lr: optim.EMA(optim.Adam(lr)), **options).fit(X, FLOWERS)
    assert plain.rated_parameters_ is plain.parameters_
    for name, trained in plain.parameters_.items():
        for one, other in zip(leaves(trained), leaves(averaged.parameters_[name]), strict=True):
            assert_array_equal(one, other)
    outputs = X.astype(np.float32)
    for gate, name in zip(averaged.network_.gates, averaged.network_.names, strict=True):
        outputs, _ = gate.chain.forward(averaged.rated_parameters_[name], outputs)
    said = averaged.predict_proba(X)
    assert_allclose(said, np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True), rtol=1e-4)
    assert np.abs(said - plain.predict_proba(X)).max() > 1e-3


def test_a_fit_with_snapshots_writes_them(client, tmp_path):
    quick(client, max_epochs=1, snapshots=str(tmp_path)).fit(X, FLOWERS)
    fitted = quick(client, max_epochs=1, snapshots=str(tmp_path)).fit(X, FLOWERS)
    assert fitted.n_iter_ == 1
    assert len(list(tmp_path.iterdir())) == 2


def created(estimator, options):
    return clone(estimator).set_params(**options)


def one_more_pass(estimator, x, y, classes):
    return copy.deepcopy(estimator).partial_fit(x, y, classes=classes)


def scored(estimator, x, y):
    return estimator.score(x, y)


def test_a_search_may_halve_its_candidates_by_passes_that_are_tasks(client):
    """As HyperbandSearchCV of dask-ml does it, which does not run with this Dask: dask-ml#1016.

    Each task fills the only thread of the only worker, so that no gate could start there.
    """
    x, rest, y, labels = train_test_split(X, FLOWERS, test_size=0.3, random_state=0, stratify=FLOWERS)
    plain = AkkordeonClassifier(batch_size=8, random_state=0)
    found = [client.submit(created, plain, {"lr": lr, "hidden_layer_sizes": (8,)}) for lr in (1e-5, 3e-2, 1e-6, 1e-2)]
    passes = 0
    while len(found) > 1:
        found = [client.submit(one_more_pass, one, x, y, np.unique(y)) for one in found]
        scores = client.gather([client.submit(scored, one, rest, labels) for one in found])
        found = [found[index] for index in np.argsort(scores)[::-1][: len(found) // 2]]
        passes += 1
    best = found[0].result()
    assert best.lr >= 1e-2
    assert best.score(rest, labels) > 0.5
    assert (passes, best.classes_.tolist()) == (2, np.unique(FLOWERS).tolist())
