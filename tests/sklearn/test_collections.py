"""Collections of Dask go into the estimators, and come out of them."""

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from sklearn.datasets import load_iris

from akkordeon_dask.errors import DataError
from akkordeon_dask.runtime.collections._labels import count_labels
from akkordeon_dask.sklearn import AkkordeonClassifier, AkkordeonRegressor
from akkordeon_dask.tree import leaves
from tests.support.for_each import for_each

da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
NAMES = np.array(["setosa", "versicolor", "virginica"])


pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def cluster(workers):
    return LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0")


@pytest.fixture(scope="module")
def client():
    with cluster(2) as made, Client(made) as client:
        yield client


@pytest.fixture(scope="module")
def flowers():
    """The features as a frame and the species as a column, shuffled."""
    x, y = load_iris(return_X_y=True, as_frame=True)
    frame = x.assign(species=NAMES[y]).sample(frac=1, random_state=0).reset_index(drop=True)
    return frame.drop(columns="species"), frame["species"]


def classifier(**options):
    return AkkordeonClassifier(**{"max_epochs": 30, "batch_size": 16, "lr": 1e-2, "random_state": 0, **options})


def test_a_frame_of_dask_trains_and_predictions_are_lazy(client, flowers):
    x, y = (dd.from_pandas(table, npartitions=3) for table in flowers)
    fitted = classifier().fit(x, y)
    assert fitted.classes_.tolist() == NAMES.tolist()
    assert (fitted.n_features_in_, fitted.feature_names_in_.tolist()) == (4, flowers[0].columns.tolist())
    assert [one.samples for one in fitted.history_] == [150] * 30
    labels, said = fitted.predict(x), fitted.predict_proba(x)
    assert isinstance(labels, da.Array) and isinstance(said, da.Array)
    assert (labels.compute() == fitted.predict(flowers[0])).all()
    # Products of 50 rows and of 150 may be rounded in different ways.
    np.testing.assert_allclose(said.compute(), fitted.predict_proba(flowers[0]), rtol=1e-4)
    logarithms = fitted.predict_log_proba(x).compute()
    np.testing.assert_allclose(logarithms, fitted.predict_log_proba(flowers[0]), rtol=1e-4, atol=1e-4)
    assert fitted.score(*flowers) > 0.9


def test_arrays_of_dask_train_a_regressor_with_one_output_or_several(client):
    x = da.from_array(np.linspace(-1, 1, 200)[:, None], chunks=(50, 1))
    one = AkkordeonRegressor(max_epochs=60, random_state=0).fit(x, 2 * x[:, 0])
    assert one.predict(x).shape == (200,)
    assert np.abs(one.predict(x).compute() - 2 * x[:, 0].compute()).mean() < 0.2
    both = AkkordeonRegressor(max_epochs=1, random_state=0).fit(x, da.concatenate([x, -x], axis=1))
    assert both.predict(x).compute().shape == both.predict(x).shape == (200, 2)


def test_predictions_of_one_target_have_one_axis_whether_it_came_in_a_column_or_a_frame(client):
    x, frame = da.from_array(NUMBERS.to_numpy(), chunks=(30, 2)), dd.from_pandas(NUMBERS, npartitions=2)
    for features, target, rows in ((x, x[:, :1], NUMBERS.to_numpy()), (frame, frame[["a"]], NUMBERS)):
        fitted = AkkordeonRegressor(max_epochs=1, random_state=0).fit(features, target)
        lazy = fitted.predict(features)
        assert lazy.ndim == 1 and lazy.compute().shape == fitted.predict(rows).shape == (60,)


def test_the_estimators_client_trains_though_another_one_is_the_default(client, flowers):
    with cluster(1) as other, Client(other, set_as_default=False) as its:
        x, y = (its.persist(dd.from_pandas(table, npartitions=2)) for table in flowers)
        fitted = classifier(max_epochs=1)
        fitted.client = its
        assert [one.samples for one in fitted.fit(x, y).history_] == [150]


def test_a_second_fit_goes_on_and_knows_the_features(client, flowers):
    x, y = (dd.from_pandas(table, npartitions=2) for table in flowers)
    fitted = classifier(warm_start=True, max_epochs=1).fit(x, y)
    before = fitted.history_[-1].loss
    assert fitted.set_params(max_epochs=20).fit(x, y).history_[-1].loss < before
    with pytest.raises(ValueError, match="X has 3 features, but AkkordeonClassifier is expecting 4"):
        fitted.predict(x[x.columns[:3]])
    with pytest.raises(ValueError, match=r"X has the columns .* the fit had"):
        fitted.predict(x[x.columns[::-1]])


@for_each("change, said", [
    (lambda x, y: {"X": x.compute()}, "X is no collection of Dask: X is a ndarray, y is a Array: give all of one kind"),
    (lambda x, y: {"y": y.compute()}, "y is no collection of Dask: X is a Array, y is a ndarray"),
    (lambda x, y: {"sample_weight": np.ones(40)}, "sample_weight is no collection of Dask: .* a ndarray"),
    (lambda x, y: {"X": x[:, 0]}, "Expected 2D array, got a collection of 1 axes"),
    (lambda x, y: {"X": list(x.to_delayed().ravel()), "y": y}, "X is a list: estimators take arrays, frames"),
    (lambda x, y: {"X": dask.delayed(x)}, r"X is a Delayed: estimators take .* as dask\.array\.from_delayed and"),
    (lambda x, y: {"y": dask.delayed(y)}, "y is a Delayed: estimators take arrays, frames and columns"),
])  # fmt: skip
def test_what_a_collection_cannot_have_is_refused_with_the_remedy(change, said):
    x, y = da.zeros((40, 2), chunks=(20, 2)), da.zeros(40, chunks=20, dtype=int)
    with pytest.raises(ValueError, match=said):
        classifier().fit(**{"X": x, "y": y, **change(x, y)})


def test_rows_are_held_out_by_the_user_alone():
    x, y = da.zeros((40, 2), chunks=(20, 2)), da.zeros(40, chunks=20, dtype=int)
    with pytest.raises(ValueError, match="no rows of a collection of Dask are held out"):
        classifier(early_stopping=True).fit(x, y)


IRIS = load_iris(return_X_y=True)
WEIGHTS = 1.0 + np.arange(150) % 3
RARE = np.where(np.arange(150) % 2 == 1, 0, IRIS[1])


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0}], ids=str)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_weights_count_in_collections_as_in_memory(client, class_weight, weights):
    """One batch of all rows, so that their order does not matter."""
    options = {"class_weight": class_weight, "max_epochs": 4, "batch_size": 150, "dtype": "float64"}
    in_memory = classifier(**options).fit(IRIS[0], RARE, weights)
    lazy = [da.from_array(one, chunks=150) for one in (RARE, *([] if weights is None else [weights]))]
    there = classifier(**options).fit(da.from_array(IRIS[0], chunks=(150, 4)), *lazy)
    for gate, tree in in_memory.parameters_.items():
        for one, other in zip(leaves(tree), leaves(there.parameters_[gate]), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)
    assert [one.loss for one in in_memory.history_] == pytest.approx([one.loss for one in there.history_], rel=1e-9)


@for_each("parts, said", [
    ((["a", "b"], [1, 2]), r"y holds labels of the types <U1, int64 in its partitions: .*, y\.astype\(str\)"),
    ((np.array([2**53, 2**53 + 1]), np.array([1, 2], "u8")), r"types int64, uint64 in .* y\.astype\('int64'\)"),
])  # fmt: skip
def test_partitions_whose_labels_numpy_would_change_when_it_joins_them_are_refused(parts, said):
    arrays = [da.from_delayed(dask.delayed(np.asarray)(part), (2,), int) for part in parts]
    with pytest.raises(DataError, match=said):
        count_labels(da.concatenate(arrays), None, None)


def test_labels_of_partitions_without_rows_are_none():
    assert count_labels(da.zeros((0,), dtype=int), None, None)[0].shape == (0,)


def test_labels_are_counted_by_their_weights_over_all_partitions():
    y = dd.from_pandas(pd.Series(["b", "a", "b", "c"]), npartitions=2)
    values, sums = count_labels(y, None, None)
    assert (values.tolist(), sums.tolist()) == (["a", "b", "c"], [1, 2, 1])
    weights = da.from_array(np.array([1.0, 2.0, 3.0, 0.0]), chunks=2)
    assert count_labels(y, weights, None)[1].tolist() == [2, 4, 0]


def test_columns_of_any_number_dtype_train_a_perceptron(client, flowers):
    x, y = flowers
    x = x.assign(large=x.iloc[:, 0] > 5, whole=pd.array(range(150), dtype="Int64"))
    fitted = classifier(max_epochs=1).fit(dd.from_pandas(x, npartitions=2), dd.from_pandas(y, npartitions=2))
    assert (fitted.predict(dd.from_pandas(x, npartitions=2)).compute() == fitted.predict(x)).all()


def test_lazy_predictions_are_those_of_the_fit_that_they_were_asked_of(client, flowers):
    x, y = flowers
    there = dd.from_pandas(x, npartitions=2)
    fitted = classifier(max_epochs=5).fit(x, y)
    expected, lazy = fitted.predict_proba(x), fitted.predict_proba(there)
    fitted.set_params(lr=0.1).fit(x, y[::-1].reset_index(drop=True))
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-4)
    assert np.abs(fitted.predict_proba(there).compute() - expected).max() > 0.1


NUMBERS = pd.DataFrame({"a": np.linspace(-1, 1, 60), "b": np.linspace(0, 1, 60)})


@for_each("targets", [NUMBERS["a"], NUMBERS[["a", "b"]]])
def test_a_regressor_pairs_frames_by_position_where_their_index_agrees_and_refuses_others(client, targets):
    x = dd.from_pandas(NUMBERS, npartitions=1)
    fitted = AkkordeonRegressor(max_epochs=60, lr=1e-2, random_state=0).fit(x, dd.from_pandas(targets, npartitions=1))
    assert fitted.score(NUMBERS, targets) > 0.9
    shuffled = targets.sample(frac=1, random_state=0)
    with pytest.raises(DataError, match="x and y have the same index in different orders"):
        fitted.fit(x, dd.from_pandas(shuffled, npartitions=1, sort=False))


def test_a_regressor_takes_an_array_and_a_column_and_names_missing_targets(client):
    x, y = da.from_array(NUMBERS.to_numpy(), chunks=(30, 2)), dd.from_pandas(NUMBERS["a"], npartitions=2)
    fitted = AkkordeonRegressor(max_epochs=60, lr=1e-2, random_state=0).fit(x, y)
    assert fitted.score(NUMBERS.to_numpy(), NUMBERS["a"]) > 0.9
    lacks = NUMBERS["a"].astype("Float64").where(NUMBERS["a"] > 0)
    with pytest.raises(DataError, match="y: column 'a' lacks 30 of 60 values: fill them"):
        fitted.fit(dd.from_pandas(NUMBERS, npartitions=1), dd.from_pandas(lacks, npartitions=1))
